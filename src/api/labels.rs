//! Labels and annotations: small sorted lists, shared between the objects of a template.

use std::sync::Arc;

use super::Name;

/// A sorted map from key to value, one pointer wide and free to clone.
#[derive(Clone, Default, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Labels(Option<Arc<[(Name, Name)]>>);

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Name> {
        let entries = self.0.as_deref()?;
        entries.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.0.iter().flat_map(|entries| entries.iter().map(|(key, value)| (key, value)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |entries| entries.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// These with one entry set.
    pub fn with(&self, key: impl Into<Name>, value: impl Into<Name>) -> Labels {
        let (key, value) = (key.into(), value.into());
        self.iter()
            .filter(|(k, _)| **k != key)
            .map(|(k, v)| (k.clone(), v.clone()))
            .chain([(key.clone(), value)])
            .collect()
    }

    /// These and others, which go before these.
    pub fn merged(&self, others: &Labels) -> Labels {
        match (self.is_empty(), others.is_empty()) {
            (_, true) => self.clone(),
            (true, _) => others.clone(),
            (false, false) => self.iter().chain(others.iter()).map(|(k, v)| (k.clone(), v.clone())).collect(),
        }
    }

    /// These without one entry.
    pub fn without(&self, key: &str) -> Labels {
        if self.get(key).is_none() {
            return self.clone();
        }
        self.iter().filter(|(k, _)| *k != key).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether the two share their storage: a quick test before comparing.
    pub fn same_storage(&self, other: &Labels) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl<K: Into<Name>, V: Into<Name>> FromIterator<(K, V)> for Labels {
    /// Later entries of the same key win.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Labels {
        let sorted: std::collections::BTreeMap<Name, Name> =
            entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        if sorted.is_empty() { Labels(None) } else { Labels(Some(sorted.into_iter().collect())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_the_last_of_a_key_wins() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        let entries: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(entries, ["a=2", "b=3"]);
        assert_eq!(labels.with("a", "9").get("a").map(Name::as_str), Some("9"));
        assert_eq!(labels.without("a").len(), 1);
        assert!(labels.without("a").without("b").is_empty());
    }
}
