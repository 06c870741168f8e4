//! The run loop: generated code where there is some, the interpreter where not.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use aero_bus::{GuestRam, PAGE_SIZE};
use aero_cpu::{
    CpuBackend, CpuExit, CpuSignals, Exec, Platform, RunOutcome, Signal, Statistic, Vcpu,
};
use aero_interpreter::{Indifferent, Interpreter};

use crate::bridge::Bridge;
use crate::frame::{Frame, Jump};
use crate::heat::{Heat, Watch};
use crate::host::{CodeHost, HostError, MemoryShape};
use crate::maker::{Made, Maker, Order};
use crate::mode::{MAX_CPUS, Mode};
use crate::processor::Processor;
use crate::region::{self, CodePlace, CodeView, Extent, Page};
use crate::rewrites::Rewrites;
use crate::samples::Samples;
use crate::stats::Stats;
use crate::store::{Installed, RegionId, Store};
use crate::translate::{Addresses, Exit, Functions};
use crate::{Settings, module};

/// Instructions that the interpreter executes at a time while a signal is there that cannot be taken.
const HELD_OFF: u64 = 64;

/// A backend that translates. One serves all processors of a machine.
pub struct Jit {
    host: Box<dyn CodeHost>,
    settings: Settings,
    interpreter: Interpreter,
    /// What is made at the first run, when there is a processor.
    engine: Option<Engine>,
    /// Generated code cannot be run: what remains is the interpreter.
    failed: bool,
}

struct Engine {
    shape: MemoryShape,
    functions: Functions,
    maker: Maker,
    store: Store,
    heat: Heat,
    cpus: Vec<Option<Processor>>,
    /// Blocks that are being translated.
    pending: HashSet<(u64, Mode)>,
    rewrites: Rewrites,
    samples: Samples,
    code_writes: u64,
    stats: Stats,
}

/// Regions that wait to be translated at most: what is hot stays hot.
const MOST_ORDERS: usize = 16;

impl Jit {
    /// A backend that runs its code by `host`.
    pub fn new(host: Box<dyn CodeHost>, settings: Settings) -> Self {
        Self { host, settings, interpreter: Interpreter::new(), engine: None, failed: false }
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let Some(engine) = &self.engine else { return Stats::default() };
        Stats {
            live_regions: engine.store.len() as u64,
            code_bytes: engine.store.bytes,
            ..engine.stats.clone()
        }
    }

    fn give_up(&mut self, error: &HostError) {
        assert!(!self.settings.required, "{error}");
        log::error!("{error}; going on with the interpreter alone");
        self.failed = true;
    }

    fn start(&mut self) -> Result<(), HostError> {
        if self.engine.is_some() {
            return Ok(());
        }
        let shape = self.host.memory_shape();
        let slots = self.host.reserve(1)?;
        let support = self.host.preparer().prepare(module::support(shape, slots))?;
        self.host.install(slots, support)?;
        self.engine = Some(Engine {
            shape,
            functions: module::functions(slots.first),
            maker: Maker::new(&mut *self.host, self.settings.background),
            store: Store::default(),
            heat: Heat::new(),
            cpus: Vec::new(),
            pending: HashSet::new(),
            rewrites: Rewrites::default(),
            samples: Samples::default(),
            code_writes: 0,
            stats: Stats::default(),
        });
        Ok(())
    }

    fn prepare(
        &mut self,
        cpu: &Vcpu,
        signals: &CpuSignals,
        ram: &GuestRam,
    ) -> Result<(), HostError> {
        self.start()?;
        let engine = self.engine.as_mut().expect("just started");
        let index = cpu.index as usize;
        if cpu.index >= MAX_CPUS {
            return Err(HostError(format!("there may be {MAX_CPUS} processors at most")));
        }
        let places = [
            std::ptr::from_ref(cpu).cast(),
            cpu.tlb_address(),
            signals.word().as_ptr().cast_const().cast(),
        ]
        .map(|place: *const u8| place as usize);
        if let Some(Some(processor)) = engine.cpus.get(index) {
            if processor.places == places {
                return Ok(());
            }
            // Another processor in its place: what there is has the addresses of the one before.
            engine.cpus[index] = None;
            self.flush();
        }
        let engine = self.engine.as_mut().expect("just started");
        let frame = ram.place(Frame::default()).map_err(|e| HostError(e.to_string()))?;
        let host = &self.host;
        let address = |what: &str, pointer: *const u8| {
            host.address_of(pointer)
                .ok_or_else(|| HostError(format!("{what} does not lie beside guest memory")))
        };
        let addresses = Addresses {
            ram: address("guest memory", ram.host_block().0)?,
            cpu: address("the processor", std::ptr::from_ref(cpu).cast())?,
            tlb: address("the TLB", cpu.tlb_address())?,
            frame: address("the frame", std::ptr::from_ref(&*frame).cast())?,
            signals: address("the signals", signals.word().as_ptr().cast_const().cast())?,
        };
        if engine.cpus.len() <= index {
            engine.cpus.resize_with(index + 1, || None);
        }
        let dropped = *cpu.dropped_translations();
        engine.cpus[index] = Some(Processor::new(frame, places, addresses, dropped));
        Ok(())
    }
}

impl CpuBackend for Jit {
    fn run(
        &mut self,
        cpu: &mut Vcpu,
        signals: &CpuSignals,
        platform: &mut dyn Platform,
    ) -> RunOutcome {
        if !self.failed {
            let ram = platform.memory().ram().clone();
            if let Err(error) = self.prepare(cpu, signals, &ram) {
                self.give_up(&error);
            }
        }
        if self.failed {
            return self.interpreter.run(cpu, signals, platform);
        }
        let mut exec = Exec::new(cpu, signals, platform);
        match self.execute(&mut exec) {
            Ok(exit) => RunOutcome { retired: exec.retired, exit },
            Err(error) => {
                self.give_up(&error);
                RunOutcome { retired: exec.retired, exit: CpuExit::Budget }
            }
        }
    }

    fn statistics(&self) -> BTreeMap<&'static str, Statistic> {
        self.stats().named()
    }

    fn flush(&mut self) {
        self.interpreter.flush();
        let Some(engine) = &mut self.engine else { return };
        for id in engine.store.ids() {
            engine.remove(&mut *self.host, id);
        }
        engine.heat.clear();
        engine.rewrites.clear();
        engine.samples.clear();
    }
}

/// Why the interpreter is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Look for generated code.
    Find,
    /// The instruction at RIP is for the interpreter.
    Interpret,
    /// The rest of the budget is.
    Finish,
}

impl Jit {
    fn execute(&mut self, exec: &mut Exec<'_>) -> Result<CpuExit, HostError> {
        let mut next = Next::Find;
        let mut tried = false;
        loop {
            let mut stepping = !exec.cpu.attention.is_empty();
            if stepping || exec.has_events() {
                if let Some(exit) = exec.service_events() {
                    return Ok(exit);
                }
                // Of several signals one is taken; the next one's turn is after one more instruction.
                stepping = !exec.cpu.attention.is_empty() || exec.has_events();
            }
            let left = exec.budget.saturating_sub(exec.retired);
            if left == 0 {
                return Ok(CpuExit::Budget);
            }
            self.keep_up(exec)?;
            let mode = Mode::of(exec.cpu);
            if stepping || !mode.is_translated() {
                let most = if stepping { 1 } else { left };
                let before = exec.retired;
                if let Err(fault) = self.interpreter.execute_observed(exec, most, &mut Indifferent)
                {
                    exec.raise(fault);
                }
                self.engine().stats.interpreted += exec.retired - before;
                continue;
            }
            // Generated code goes on while an interrupt waits for IF, but not for other signals.
            let word = exec.signals.word().load(Ordering::Relaxed);
            let held_off = word & !Signal::INTR.bits() != 0;
            if next == Next::Find
                && !held_off
                && let Some(after) = self.enter(exec, mode, left)?
            {
                next = after;
                continue;
            }
            let most = if held_off { left.min(HELD_OFF) } else { left };
            // What was hot just now and still cannot be entered is interpreted all the same, and nothing
            // is worth translating for one instruction.
            let skip = next != Next::Find || held_off || tried || most == 1;
            let hot = self.interpret(exec, mode, most, skip);
            if next != Next::Finish {
                next = Next::Find;
            }
            tried = hot.is_some();
            if let Some(host) = hot {
                self.translate(exec, mode, host, self.settings.optimized)?;
            }
        }
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("started before anything runs")
    }

    /// Takes notice of code that was written to, and of modules that are ready.
    fn keep_up(&mut self, exec: &mut Exec<'_>) -> Result<(), HostError> {
        let host = &mut *self.host;
        let engine = self.engine.as_mut().expect("started before anything runs");
        let seen = engine.code_writes;
        let writes = exec.versions().code_writes();
        if writes != seen {
            engine.code_writes = writes;
            let written = exec.versions().code_written_since(seen).map(Iterator::collect);
            let pages: Vec<u64> = written.unwrap_or_else(|| engine.store.pages());
            engine.give_up_outdated(host, exec, pages);
        }
        while let Some(made) = engine.maker.take() {
            engine.install(host, exec, made)?;
        }
        while engine.store.bytes > self.settings.code_bytes {
            let Some(oldest) = engine.store.oldest() else { break };
            engine.remove(host, oldest);
            engine.stats.evictions += 1;
        }
        Ok(())
    }

    /// Interprets until a block that is translated or hot, whose host offset is returned in the latter
    /// case.
    fn interpret(&mut self, exec: &mut Exec<'_>, mode: Mode, most: u64, skip: bool) -> Option<u64> {
        let engine = self.engine.as_mut().expect("started before anything runs");
        let mut watch = Watch {
            heat: &mut engine.heat,
            store: &engine.store,
            mode,
            threshold: self.settings.threshold.clamp(1, 0x7fff) as u16,
            skip,
            first: true,
            hot: None,
        };
        let before = exec.retired;
        let outcome = self.interpreter.execute_observed(exec, most, &mut watch);
        let hot = watch.hot;
        engine.stats.interpreted += exec.retired - before;
        if let Err(fault) = outcome {
            exec.raise(fault);
            return None;
        }
        hot
    }

    /// Runs generated code at RIP, if there is some.
    fn enter(
        &mut self,
        exec: &mut Exec<'_>,
        mode: Mode,
        left: u64,
    ) -> Result<Option<Next>, HostError> {
        let engine = self.engine.as_mut().expect("started before anything runs");
        if !mode.suits(exec.cpu) {
            return Ok(Some(Next::Interpret));
        }
        let Some((slot, off, longest)) = engine.find(exec, mode) else { return Ok(None) };
        let left = left.min(i32::MAX as u64) as i32;
        if left < longest {
            return Ok(Some(Next::Finish));
        }
        let index = exec.cpu.index as usize;
        let processor = engine.cpus[index].as_mut().expect("prepared");
        let salt = processor.salt(mode);
        // Generated code changes the frame while `enter` is under way, and so do the helpers.
        let frame = &mut *processor.frame;
        frame.left = left;
        frame.salt = salt;
        frame.take_flags(&exec.cpu.flags);
        let before = exec.retired;
        let ram = exec.platform.memory().ram().host_block().0.cast_const();
        let mut bridge = Bridge {
            exec,
            processor,
            ram,
            store: &mut engine.store,
            mode,
            before,
            left,
            assisted: 0,
            misses: 0,
        };
        let code = self.host.enter(slot, off as u32, &mut bridge);
        let (assisted, misses, mode) = (bridge.assisted, bridge.misses, bridge.mode);
        let code = code?;
        let frame = &*processor.frame;
        exec.retired = before + left.wrapping_sub(frame.left) as u32 as u64;
        frame.give_flags(&mut exec.cpu.flags);
        let exit = Exit::from_code(code)
            .ok_or_else(|| HostError(format!("a function returned {code}")))?;
        let stats = &mut engine.stats;
        stats.entries += 1;
        stats.translated += exec.retired - before;
        stats.assisted += assisted;
        stats.tlb_misses += misses;
        stats.exits[exit as usize] += 1;
        if exit == Exit::Pause {
            self.sample(exec, mode)?;
        }
        Ok(Some(match exit {
            Exit::Elsewhere | Exit::Look => Next::Find,
            Exit::Interpret => Next::Interpret,
            Exit::Held => {
                exec.interrupts_were_held();
                Next::Interpret
            }
            Exit::Pause if exec.has_events() => Next::Find,
            Exit::Pause => Next::Finish,
        }))
    }

    /// Takes note of where generated code was when its time was up: at an entry or at the top of a loop.
    /// What is found often is translated once more, in one piece.
    fn sample(&mut self, exec: &mut Exec<'_>, mode: Mode) -> Result<(), HostError> {
        let engine = self.engine.as_mut().expect("started before anything runs");
        let linear = exec.cpu.code_linear(exec.cpu.rip);
        let Some(page) = exec.peek_code_page(linear) else { return Ok(()) };
        let host = page.host_offset + linear % PAGE_SIZE;
        if !engine.samples.note(host, mode) {
            return Ok(());
        }
        let entry = engine.store.find(host, mode);
        let region = entry.and_then(|entry| engine.store.region(entry.region));
        if region.is_some_and(|region| region.optimized) {
            return Ok(());
        }
        self.translate(exec, mode, host, true)
    }

    /// Orders a translation of the code at RIP, whose host offset is given.
    fn translate(
        &mut self,
        exec: &mut Exec<'_>,
        mode: Mode,
        host: u64,
        optimized: bool,
    ) -> Result<(), HostError> {
        let engine = self.engine.as_mut().expect("started before anything runs");
        if !engine.rewrites.is_due(host & !(PAGE_SIZE - 1), self.settings.rewrites.min(31)) {
            return Ok(());
        }
        if engine.maker.outstanding >= MOST_ORDERS || engine.pending.contains(&(host, mode)) {
            return Ok(());
        }
        let rip = exec.cpu.rip;
        let linear = exec.cpu.code_linear(rip);
        let start = linear % PAGE_SIZE;
        let features = exec.cpu.model.features;
        let mut view = View {
            exec,
            interpreter: &self.interpreter,
            store: &engine.store,
            rewrites: &engine.rewrites,
            page: linear - start,
            mode,
        };
        let extent = if optimized { Extent::OPTIMIZED } else { Extent::BASELINE };
        let Some(region) = region::find(&mut view, mode, features, extent, start) else {
            return Ok(());
        };
        let Some(id) = engine.store.reserve() else { return Ok(()) };
        engine.pending.extend(region.hosts().map(|host| (host, mode)));
        let slots = self.host.reserve(1)?;
        let addresses = engine.cpus[exec.cpu.index as usize].as_ref().expect("prepared").addresses;
        engine.stats.regions += 1;
        engine.stats.optimized += u64::from(optimized);
        if optimized {
            engine.samples.made(region.hosts(), mode);
        }
        engine.stats.region_instructions += region.len() as u64;
        engine.maker.order(Order {
            id,
            region,
            optimized,
            addresses,
            functions: engine.functions,
            slots,
            shape: engine.shape,
        });
        Ok(())
    }
}

impl Engine {
    /// The slot, offset and least budget of generated code at RIP. It is noted for jumps.
    fn find(&mut self, exec: &mut Exec<'_>, mode: Mode) -> Option<(u32, i32, i32)> {
        let processor = self.cpus[exec.cpu.index as usize].as_mut().expect("prepared");
        processor.keep_up(exec.cpu.dropped_translations());
        let salt = processor.salt(mode);
        let rip = exec.cpu.rip;
        let index = Jump::index(rip);
        let tag = rip ^ salt;
        let jump = processor.frame.jumps[index];
        if jump.tag == tag
            && let Some(region) = self.store.region(processor.jumps[index])
        {
            return Some((jump.slot, jump.entry, region.longest));
        }
        let linear = exec.cpu.code_linear(rip);
        let host = exec.fetch_code_page(linear).ok()?.host_offset? + linear % PAGE_SIZE;
        let entry = self.store.find(host, mode)?;
        let region = self.store.region(entry.region)?;
        // All its pages have to be where they were when it was made. That we look there must not show:
        // it does not mean that the guest gets there.
        let mask = exec.cpu.linear_mask();
        let first = linear.wrapping_sub(entry.off as i64 as u64).wrapping_sub(region.start);
        for place in &region.places {
            let linear = first.wrapping_add(place.delta) & mask;
            match exec.peek_code_page(linear) {
                Some(page) if page.host_offset == place.host => {
                    processor.rely_on(linear, mode, page);
                }
                _ => return None,
            }
        }
        let slot = region.slots.first;
        processor.frame.jumps[index] = Jump { tag, slot, entry: entry.off };
        processor.jumps[index] = entry.region;
        Some((slot, entry.off, region.longest))
    }

    fn install(
        &mut self,
        host: &mut dyn CodeHost,
        exec: &mut Exec<'_>,
        made: Made,
    ) -> Result<(), HostError> {
        let Made { order, module, bytes, ops, entries, longest } = made;
        for host in order.region.hosts() {
            self.pending.remove(&(host, order.region.mode));
        }
        // Before the bytes are looked at, so that a store in between is seen.
        for place in &order.region.places {
            exec.mark_code_page(place.host);
        }
        let (code, bits) = (order.region.bytes.iter(), order.region.mode.code_bits());
        let current = self.rewrites.is_current(exec, code, bits)
            && self.cpus.iter().flatten().any(|cpu| cpu.addresses == order.addresses);
        let module = match module {
            Ok(module) if current => module,
            Ok(_) => {
                self.store.unreserve(order.id);
                host.release(order.slots);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        host.install(order.slots, module)?;
        let Order { id, region, slots, optimized, .. } = order;
        let entries: Vec<(u64, i32)> =
            entries.iter().filter_map(|&off| Some((region.host(off)?, off))).collect();
        for (host, _) in &entries {
            self.heat.mark_entry(*host);
        }
        let (mode, start) = (region.mode, region.start);
        let (places, code) = (region.places, region.bytes);
        let region =
            Installed { slots, mode, places, code, entries, ops, longest, bytes, start, optimized };
        if self.store.insert(id, region) {
            self.forget_jumps();
        }
        Ok(())
    }

    fn remove(&mut self, host: &mut dyn CodeHost, id: RegionId) {
        let Some(region) = self.store.remove(id) else { return };
        host.release(region.slots);
        self.forget_jumps();
    }

    /// No jump goes on to where it has gone: all have one of the salts there were.
    fn forget_jumps(&mut self) {
        for processor in self.cpus.iter_mut().flatten() {
            processor.forget_jumps();
        }
    }

    /// Gives up the regions whose code in these pages is not what it was.
    fn give_up_outdated(
        &mut self,
        host: &mut dyn CodeHost,
        exec: &mut Exec<'_>,
        pages: impl IntoIterator<Item = u64>,
    ) {
        for page in pages {
            for id in self.store.in_page(page) {
                // Before the bytes are looked at, so that a store in between is seen.
                exec.mark_code_page(page);
                let Some(region) = self.store.region(id) else { continue };
                let code = region.code.iter().filter(|part| part.is_in_page(page));
                if !self.rewrites.is_current(exec, code, region.mode.code_bits()) {
                    self.remove(host, id);
                    self.stats.invalidations += 1;
                }
            }
        }
    }
}

/// The code round a hot block.
struct View<'a, 'b> {
    exec: &'a mut Exec<'b>,
    interpreter: &'a Interpreter,
    store: &'a Store,
    rewrites: &'a Rewrites,
    /// Linear address of the entry's page.
    page: u64,
    mode: Mode,
}

impl CodeView for View<'_, '_> {
    fn page(&mut self, delta: u64) -> Option<(CodePlace, Page)> {
        let linear = self.page.wrapping_add(delta) & self.exec.cpu.linear_mask();
        let host = self.exec.peek_code_page(linear)?.host_offset;
        let bytes: [u8; PAGE_SIZE as usize] =
            self.exec.code_bytes(host).try_into().expect("a page has this length");
        Some((CodePlace { delta, host }, Box::new(bytes)))
    }

    fn executed(&self, host: u64) -> bool {
        self.interpreter.knows(host, self.mode.code_bits())
    }

    fn translated(&self, host: u64) -> bool {
        self.store.find(host, self.mode).is_some()
    }

    fn varies(&self, host: u64) -> bool {
        self.rewrites.varies(host)
    }
}
