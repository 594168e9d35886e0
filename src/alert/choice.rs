//! Enumerations that stand in an alert as words.

/// Declares an enum whose variants are words of the alert contract, with `ALL`, `as_str`, [`std::str::FromStr`]
/// and its part of the schema.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            /// # Errors
            /// The text is none of the words; the error lists them.
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|choice| choice.as_str()).collect();
                    format!("expected one of {}", words.join(", "))
                })
            }
        }

        impl $crate::alert::object::Kind for $name {
            fn take(fields: &mut $crate::alert::fields::Fields, name: &str) -> Option<Self> {
                fields.known(name)
            }

            fn schema() -> serde_json::Value {
                let words: Vec<_> = Self::ALL.iter().map(|choice| choice.as_str()).collect();
                serde_json::json!({ "type": "string", "enum": words })
            }
        }
    };
}
pub(crate) use choices;
