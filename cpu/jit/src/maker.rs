//! From a region to a module, on a thread of its own where there are threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use aero_interpreter::Op;

use crate::host::{CodeHost, HostError, MemoryShape, Prepare, Prepared, Slots};
use crate::module;
use crate::region::Region;
use crate::store::{RegionId, Store};
use crate::translate::{Addresses, Functions, translate};

/// A region to make a module of.
pub struct Order {
    /// The number it is to have.
    pub id: RegionId,
    /// The region.
    pub region: Region,
    /// Whether it is made in one piece because it takes much of the time.
    pub optimized: bool,
    /// Where things are.
    pub addresses: Addresses,
    /// What modules import.
    pub functions: Functions,
    /// The slot that the function goes to.
    pub slots: Slots,
    /// The memory.
    pub shape: MemoryShape,
}

/// A module that is ready to be installed.
pub struct Made {
    /// What was ordered.
    pub order: Order,
    /// The module.
    pub module: Result<Prepared, HostError>,
    /// Bytes of it.
    pub bytes: u64,
    /// What the interpreter executes in it.
    pub ops: Vec<Op>,
    /// Offsets at which it can be entered.
    pub entries: Vec<i32>,
    /// It is not to be entered with fewer instructions left.
    pub longest: i32,
}

fn make(order: Order, preparer: &dyn Prepare) -> Made {
    let translated = translate(
        &order.region,
        order.optimized,
        &order.addresses,
        &order.functions,
        Store::first_site(order.id),
    );
    let bytes = module::regions(order.shape, order.slots, std::slice::from_ref(&translated));
    let size = bytes.len() as u64;
    let module = preparer.prepare(bytes);
    let (ops, entries, longest) = (translated.ops, translated.entries, translated.longest);
    Made { order, module, bytes: size, ops, entries, longest }
}

/// Makes modules.
pub struct Maker {
    preparer: Arc<dyn Prepare>,
    thread: Option<(Sender<Order>, Receiver<Made>)>,
    made: Vec<Made>,
    /// Orders that have not come back.
    pub outstanding: usize,
}

impl Maker {
    /// One that works on a thread if `background` and the host has one.
    pub fn new(host: &mut dyn CodeHost, background: bool) -> Self {
        let preparer = host.preparer();
        let thread = background.then(|| {
            let (orders, incoming) = channel::<Order>();
            let (outgoing, made) = channel();
            let preparer = preparer.clone();
            let job = move || {
                while let Ok(order) = incoming.recv() {
                    if outgoing.send(make(order, &*preparer)).is_err() {
                        break;
                    }
                }
            };
            host.spawn(Box::new(job)).then_some((orders, made))
        });
        Self { preparer, thread: thread.flatten(), made: Vec::new(), outstanding: 0 }
    }

    /// Orders a module.
    pub fn order(&mut self, order: Order) {
        self.outstanding += 1;
        let refused = match &self.thread {
            Some((orders, _)) => match orders.send(order) {
                Ok(()) => return,
                Err(refused) => refused.0,
            },
            None => order,
        };
        self.made.push(make(refused, &*self.preparer));
    }

    /// The next module that is ready.
    pub fn take(&mut self) -> Option<Made> {
        if self.outstanding == 0 {
            return None;
        }
        let made = match (self.made.pop(), &self.thread) {
            (Some(made), _) => Some(made),
            (None, Some((_, made))) => made.try_recv().ok(),
            (None, None) => None,
        };
        self.outstanding -= usize::from(made.is_some());
        made
    }
}
