//! What can be told of an alert at a glance, even if it is malformed.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parse::is_cloud_event;

/// The few fields by which a person knows an alert again, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// `id`
    pub id: Option<String>,
    /// `type`, known or not.
    pub alert_type: Option<String>,
    /// `platform.url`
    pub url: Option<String>,
    /// `entity.name`
    pub entity: Option<String>,
}

/// Those fields of any object that are looked at, not yet read: each is taken only if it has the right shape.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Fields<'a> {
    id: Option<&'a RawValue>,
    #[serde(rename = "type")]
    alert_type: Option<&'a RawValue>,
    platform: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    entity: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
}

impl Glance {
    /// Looks at the body of a message; what is not there, or no text, is left out.
    pub fn at(body: &[u8], content_type: Option<&str>) -> Self {
        let mut alert: Fields<'_> = serde_json::from_slice(body).unwrap_or_default();
        if content_type.is_some_and(is_cloud_event) {
            alert = fields(alert.data);
        }
        Self {
            id: text(alert.id),
            alert_type: text(alert.alert_type),
            url: text(fields(alert.platform).url),
            entity: text(fields(alert.entity).name),
        }
    }
}

fn fields(value: Option<&RawValue>) -> Fields<'_> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}
