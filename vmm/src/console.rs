//! The host's end of a serial line or debug console: bytes out, bytes in, and waiting for a text.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aero_bus::Wake;
use aero_bus::chardev::CharBackend;

/// Output that nobody takes is kept up to this many bytes; the oldest goes first.
const MAX_OUTPUT: usize = 1 << 20;

/// Both directions of a byte stream between the guest and whoever runs the machine. Clones are the
/// same stream.
#[derive(Clone)]
pub struct Console(Arc<Shared>);

struct Shared {
    streams: Mutex<Streams>,
    wake: Arc<Wake>,
}

#[derive(Default)]
struct Streams {
    output: VecDeque<u8>,
    input: VecDeque<u8>,
    /// What is waited for, and what follows it; the first is looked for.
    script: VecDeque<Step>,
    until: Option<Search>,
}

/// A text that is looked for, and what is sent to the guest when it came.
struct Step {
    expect: Search,
    send: Vec<u8>,
}

impl Console {
    /// A stream with nothing in it. `wake` is signalled when there is input for the guest, or when the
    /// text came that is waited for.
    pub fn new(wake: Arc<Wake>) -> Self {
        Self(Arc::new(Shared { streams: Mutex::default(), wake }))
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's end.
    pub fn backend(&self) -> Box<dyn CharBackend> {
        Box::new(self.clone())
    }

    /// Sends bytes to the guest.
    pub fn send(&self, bytes: &[u8]) {
        self.lock().input.extend(bytes);
        self.0.wake.signal();
    }

    /// Takes what the guest has sent since the last call.
    pub fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().output).into()
    }

    /// Waits for `text` in what the guest sends from now on; [`has_come`](Self::has_come) tells. An
    /// empty text has come at once.
    pub fn wait_for(&self, text: &str) {
        self.lock().until = Some(Search::new(text.as_bytes()));
    }

    /// Whether the text that is waited for has come.
    pub fn has_come(&self) -> bool {
        self.lock().until.as_ref().is_some_and(Search::is_found)
    }

    /// Adds a step to the script: when `expect` has come from the guest, after all earlier steps, `send`
    /// goes to the guest. It is sent at the moment the last byte comes, so that a deterministic machine
    /// stays so.
    pub fn add_step(&self, expect: &str, send: &[u8]) {
        let step = Step { expect: Search::new(expect.as_bytes()), send: send.to_vec() };
        let mut streams = self.lock();
        streams.script.push_back(step);
        let sent = streams.advance_script();
        drop(streams);
        if sent {
            self.0.wake.signal();
        }
    }

    /// Steps of the script that have not come yet.
    pub fn steps_left(&self) -> usize {
        self.lock().script.len()
    }
}

impl Streams {
    /// Takes one byte from the guest. Returns whether somebody has to be woken.
    fn take(&mut self, byte: u8) -> bool {
        if self.output.len() == MAX_OUTPUT {
            self.output.pop_front();
        }
        self.output.push_back(byte);
        let mut news = false;
        if let Some(until) = &mut self.until {
            let before = until.is_found();
            until.take(byte);
            news |= until.is_found() && !before;
        }
        if let Some(step) = self.script.front_mut() {
            step.expect.take(byte);
            news |= self.advance_script();
        }
        news
    }

    /// Sends what is due in the script.
    fn advance_script(&mut self) -> bool {
        let mut sent = false;
        while let Some(step) = self.script.pop_front_if(|step| step.expect.is_found()) {
            self.input.extend(step.send);
            sent = true;
        }
        sent
    }
}

impl CharBackend for Console {
    fn transmit(&mut self, bytes: &[u8]) {
        let mut streams = self.lock();
        let mut news = false;
        for byte in bytes {
            news |= streams.take(*byte);
        }
        drop(streams);
        if news {
            self.0.wake.signal();
        }
    }

    fn receive(&mut self) -> Option<u8> {
        self.lock().input.pop_front()
    }
}

/// Looks for a text in a stream, a byte at a time (Knuth, Morris and Pratt).
struct Search {
    text: Vec<u8>,
    /// For each length: how much of the text remains matched when the next byte is another.
    fallback: Vec<usize>,
    matched: usize,
}

impl Search {
    fn new(text: &[u8]) -> Self {
        let mut fallback = vec![0; text.len()];
        let mut matched = 0;
        for at in 1..text.len() {
            while matched > 0 && text[at] != text[matched] {
                matched = fallback[matched - 1];
            }
            matched += usize::from(text[at] == text[matched]);
            fallback[at] = matched;
        }
        Self { text: text.to_vec(), fallback, matched: 0 }
    }

    fn is_found(&self) -> bool {
        self.matched == self.text.len()
    }

    /// Takes the next byte. Once found, the text stays found.
    fn take(&mut self, byte: u8) {
        if self.is_found() {
            return;
        }
        while self.matched > 0 && self.text[self.matched] != byte {
            self.matched = self.fallback[self.matched - 1];
        }
        self.matched += usize::from(self.text[self.matched] == byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> Console {
        Console::new(Arc::default())
    }

    #[test]
    fn a_text_is_found_wherever_the_stream_is_cut() {
        for text in ["aab", "abab", "login:", ""] {
            let c = console();
            c.wait_for(text);
            let mut device = c.clone();
            for byte in format!("aaab ababab logilogin: {text}").bytes() {
                device.transmit(&[byte]);
            }
            assert!(c.has_come(), "{text:?}");
        }
        let c = console();
        c.wait_for("abc");
        c.clone().transmit(b"ababab");
        assert!(!c.has_come());
    }

    #[test]
    fn a_script_answers_each_prompt_once_and_in_order() {
        let c = console();
        c.add_step("login: ", b"root\n");
        c.add_step("# ", b"poweroff\n");
        let mut device = c.clone();
        device.transmit(b"# login: ");
        let mut sent = Vec::new();
        sent.extend(std::iter::from_fn(|| device.receive()));
        assert_eq!(sent, b"root\n");
        device.transmit(b"\n# # ");
        sent.extend(std::iter::from_fn(|| device.receive()));
        assert_eq!(sent, b"root\npoweroff\n");
        assert_eq!(c.steps_left(), 0);
    }

    #[test]
    fn output_that_nobody_takes_does_not_grow_without_bound() {
        let c = console();
        let mut device = c.clone();
        for n in 0..40u8 {
            device.transmit(&vec![n; 1 << 16]);
        }
        let output = c.take_output();
        assert_eq!((output.len(), output[MAX_OUTPUT - 1]), (MAX_OUTPUT, 39));
        assert!(c.take_output().is_empty());
    }
}
