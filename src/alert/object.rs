//! Objects of the alert contract that are declared once: from a declaration come the struct, the way it is read, and
//! what the schema says of it.

use serde_json::{Map, Value, json};

use super::Number;
use super::fields::Fields;

/// What a field holds that is there and fits.
pub(super) trait Kind: Sized {
    /// The field `name`, taken only if it fits.
    fn take(fields: &mut Fields, name: &str) -> Option<Self>;

    /// What fits, as JSON Schema.
    fn schema() -> Value;
}

impl Kind for String {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        fields.text(name)
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Kind for Number {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        fields.number(name)
    }

    fn schema() -> Value {
        json!({ "type": "number" })
    }
}

/// One item of an array.
pub(super) trait Item: Sized {
    /// Reads it; `None` where a field that it needs does not fit.
    fn read(fields: &mut Fields) -> Option<Self>;

    /// What it is, as JSON Schema.
    fn schema() -> Value;
}

/// A field that may be absent.
pub(super) trait Optional {
    /// The field `name`, left alone where it does not fit.
    fn take(fields: &mut Fields, name: &str) -> Self;

    /// What fits, as JSON Schema.
    fn schema() -> Value;
}

impl<T: Kind> Optional for Option<T> {
    fn take(fields: &mut Fields, name: &str) -> Self {
        T::take(fields, name)
    }

    fn schema() -> Value {
        or_null(T::schema())
    }
}

impl<T: Item> Optional for Vec<T> {
    fn take(fields: &mut Fields, name: &str) -> Self {
        fields.items(name, T::read)
    }

    fn schema() -> Value {
        or_null(json!({ "type": "array", "items": T::schema() }))
    }
}

/// `schema`, or `null`, which means absent.
pub(super) fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
    schema
}

/// `schema` with what it is about, as a doc comment says it.
pub(super) fn described(doc: &str, schema: Value) -> Value {
    joined(json!({ "description": doc.trim() }), schema)
}

/// The keywords of both.
pub(super) fn joined(mut schema: Value, more: Value) -> Value {
    if let (Value::Object(keywords), Value::Object(more)) = (&mut schema, more) {
        keywords.extend(more);
    }
    schema
}

/// An object, with those of its fields that are required. Unknown fields are welcome.
pub(super) fn object<const N: usize>(required: &[&str], properties: [(&str, Value); N]) -> Value {
    let properties: Map<_, _> = properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut object = json!({ "type": "object" });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object["properties"] = properties.into();
    object
}

/// Declares the details of one alert type: all fields optional, so that reading never fails.
macro_rules! details {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name { $($(#[doc = $field_doc])+ pub $field: $type,)+ }

        impl $name {
            pub(super) fn read(fields: &mut $crate::alert::fields::Fields) -> Self {
                use $crate::alert::object::Optional;
                Self { $($field: Optional::take(fields, stringify!($field)),)+ }
            }

            pub(super) fn schema() -> serde_json::Value {
                use $crate::alert::object::{Optional, described, object, or_null};
                let fields = [$((
                    stringify!($field),
                    described(concat!($($field_doc),+), <$type as Optional>::schema()),
                ),)+];
                described(concat!($($doc),+), or_null(object(&[], fields)))
            }
        }
    };
}
pub(super) use details;

/// Declares one item of an array in the details: without its first field it is none.
macro_rules! item {
    (
        $(#[doc = $doc:literal])+ $name:ident {
            $(#[doc = $needed_doc:literal])+ $needed:ident: $needed_type:ty;
            $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $(#[doc = $needed_doc])+ pub $needed: $needed_type,
            $($(#[doc = $field_doc])+ pub $field: $type,)+
        }

        impl $crate::alert::object::Item for $name {
            fn read(fields: &mut $crate::alert::fields::Fields) -> Option<Self> {
                use $crate::alert::object::{Kind, Optional};
                Some(Self {
                    $needed: Kind::take(fields, stringify!($needed))?,
                    $($field: Optional::take(fields, stringify!($field)),)+
                })
            }

            fn schema() -> serde_json::Value {
                use $crate::alert::object::{Kind, Optional, described, object};
                let needed = described(concat!($($needed_doc),+), <$needed_type as Kind>::schema());
                let fields = [
                    (stringify!($needed), needed),
                    $((
                        stringify!($field),
                        described(concat!($($field_doc),+), <$type as Optional>::schema()),
                    ),)+
                ];
                described(concat!($($doc),+), object(&[stringify!($needed)], fields))
            }
        }
    };
}
pub(super) use item;
