//! A panic is our own bug: it says so, and with which command it comes again.

use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use super::output::shell_word;

/// The exit code of a bug.
pub(super) const EXIT: u8 = 3;

thread_local! {
    /// What repeats that which this thread is doing. Each thread of a sweep runs a seed of its own.
    static REPEAT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics are reported as bugs, with the command that repeats them.
pub(super) struct BugNote {}

impl BugNote {
    /// From now on panics are reported as bugs, with the command line as it was typed until a better one is known.
    pub(super) fn install() -> BugNote {
        std::panic::set_hook(Box::new(move |info| {
            let typed = || std::env::args().map(|word| shell_word(&word)).collect::<Vec<_>>().join(" ");
            report(info, &REPEAT.with(|known| known.borrow().clone()).unwrap_or_else(typed));
        }));
        BugNote {}
    }

    /// The command that repeats what is going on in this thread from now on, seed included.
    pub(super) fn set_repeat(&self, command: String) {
        REPEAT.with(|known| *known.borrow_mut() = Some(command));
    }

    /// Does something. `None` where it panicked, which has been reported.
    pub(super) fn guard<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(work)).ok()
    }
}

fn report(info: &PanicHookInfo<'_>, repeat: &str) {
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let place = info.location().map(|location| format!(" ({location})")).unwrap_or_default();
    // Where even standard error is gone, nobody can be told.
    let _ = writeln!(
        std::io::stderr().lock(),
        "error: this is a bug in wavetank {}: {message}{place}\n\
         please report it, with the files and this command, which repeats it:\n  {repeat}",
        env!("CARGO_PKG_VERSION"),
    );
}
