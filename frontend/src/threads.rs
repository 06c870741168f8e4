//! Threads of the program: workers that `web/aero/thread.ts` starts over the same memory.
//!
//! A worker only starts while its parent's event loop turns, and the machine does not wait for that in
//! the middle of a run. So workers are started beforehand and wait here until there is something to do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use wasm_bindgen::prelude::*;

type Job = Box<dyn FnOnce() + Send>;

struct Waiting {
    /// Workers that wait and have been promised no job.
    idle: u32,
    jobs: Vec<Job>,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { idle: 0, jobs: Vec::new() });
static NEWS: Condvar = Condvar::new();

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a worker that waits run `job`. `false` if none waits.
pub fn spawn(job: Job) -> bool {
    let mut waiting = waiting();
    if waiting.idle == 0 {
        return false;
    }
    waiting.idle -= 1;
    waiting.jobs.push(job);
    NEWS.notify_one();
    true
}

/// The life of a worker: one job after the other. It never returns. `ready` is called once jobs can be
/// given to it.
#[wasm_bindgen]
pub fn serve_jobs(ready: &js_sys::Function) -> Result<(), JsValue> {
    waiting().idle += 1;
    ready.call0(&JsValue::NULL)?;
    loop {
        let mut waiting = waiting();
        let job = loop {
            match waiting.jobs.pop() {
                Some(job) => break job,
                None => waiting = NEWS.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(waiting);
        job();
        self::waiting().idle += 1;
    }
}

/// The compiled program, for another worker to run.
#[wasm_bindgen]
pub fn program() -> JsValue {
    wasm_bindgen::module()
}
