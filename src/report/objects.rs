//! `objects.json`: every object of the store as a `v1` `List`, as `kubectl get -o json` prints one.

use std::io;

use crate::api::convert::to_json;
use crate::kernel::Time;
use crate::store::Store;

/// Writes all objects as of an instant, by kind, namespace and name, one a line. kubectl reads the whole.
///
/// # Errors
/// What the writer refuses.
pub fn write_objects(store: &Store, at: Time, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"},\"items\":[")?;
    let objects = store.kinds().into_iter().flat_map(|kind| store.objects(kind, at));
    for (number, object) in objects.enumerate() {
        out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &to_json(&object))?;
    }
    out.write_all(b"\n]}\n")
}
