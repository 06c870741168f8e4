//! The referee: the host's processor, in a child process that runs nothing but cases.
//!
//! A case is entered and left through the kernel: the handler of the signal that one case ended with
//! puts the next one's registers into the same signal frame, and returning from it starts that case.
//! The instruction under test is followed by INT3, as is every other place in the pages of code, so
//! that each case ends with exactly one exception, and the frame holds what it left.
//!
//! The child has been forked from a process that may have other threads, so it calls nothing but system
//! calls and works in memory that was there before.

use std::cell::UnsafeCell;
use std::io;
use std::mem::{size_of, zeroed};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::case::{CS, DEAD, DS, ES, FS, GS, HANG, Input, Output, SS, State, fx};
use crate::layout::{
    AREAS, Area, CODE, CODE_PAGES, IMAGE_PAGES, IMAGE_WORDS, PAGE, baseline, selector,
};

/// Cases handed over at a time.
pub const BATCH: usize = 128;
/// How often the child's clock is looked at.
const TIMEOUT_MS: i32 = 1000;
/// A batch that takes more of the processor's time than that never ends.
const TIMEOUT_NS: u64 = 2_000_000_000;
const INT3: u8 = 0xcc;
const ALT_STACK: usize = 64 << 10;
/// RFLAGS that a signal frame restores (arithmetic flags, TF, DF, RF, AC) and those that a program
/// may leave behind.
const FRAME_FLAGS: u64 = 0x5_0dd5;

/// What parent and child share.
#[repr(C)]
struct Shared {
    inputs: [Input; BATCH],
    outputs: [Output; BATCH],
    /// Cases in the batch.
    count: AtomicU32,
    /// The case at work.
    current: AtomicU32,
    baseline: [u64; IMAGE_WORDS],
}

/// What the child's handler works with.
struct Child {
    shared: *mut Shared,
    /// The image and the code, mapped writable in a second place.
    memory: *mut u8,
    /// Registers of the child's own loop.
    home: UnsafeCell<Home>,
    /// A batch is being worked on.
    busy: UnsafeCell<bool>,
}

struct Home {
    gregs: [i64; 23],
    fx: [u8; 512],
    segments: Segments,
}

/// What no signal frame holds: selectors of ES, DS, FS and GS, and the bases of the last two.
#[derive(Clone, Copy)]
struct Segments {
    selectors: [u16; 4],
    bases: [u64; 2],
}

impl Segments {
    /// What they are now. FS is the thread's own again afterwards only with [`load`](Self::load).
    fn current() -> Self {
        let (es, ds, fs, gs): (u32, u32, u32, u32);
        let mut bases = [0_u64; 2];
        // SAFETY: reads registers; `Host::new` has made sure that the kernel allows it.
        unsafe {
            std::arch::asm!(
                "mov {es:e}, es",
                "mov {ds:e}, ds",
                "mov {fs:e}, fs",
                "mov {gs:e}, gs",
                es = out(reg) es, ds = out(reg) ds, fs = out(reg) fs, gs = out(reg) gs,
                options(nomem, nostack),
            );
            std::arch::asm!(
                "rdfsbase {0}", "rdgsbase {1}",
                out(reg) bases[0], out(reg) bases[1], options(nomem, nostack),
            );
        }
        Self { selectors: [es as u16, ds as u16, fs as u16, gs as u16], bases }
    }

    /// Loads them.
    ///
    /// # Safety
    /// The selectors can be loaded, and nothing uses FS while it is not the thread's own.
    unsafe fn load(&self) {
        let [es, ds, fs, gs] = self.selectors.map(u32::from);
        // SAFETY: 64-bit code uses neither ES nor DS; the rest is the caller's.
        unsafe {
            std::arch::asm!(
                "mov es, {es:e}",
                "mov ds, {ds:e}",
                "mov fs, {fs:e}",
                "mov gs, {gs:e}",
                "wrfsbase {fs_base}",
                "wrgsbase {gs_base}",
                es = in(reg) es, ds = in(reg) ds, fs = in(reg) fs, gs = in(reg) gs,
                fs_base = in(reg) self.bases[0], gs_base = in(reg) self.bases[1],
                options(nostack),
            );
        }
    }
}

/// Set once in the child, before its handler is installed.
static CHILD: AtomicPtr<Child> = AtomicPtr::new(ptr::null_mut());

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Maps `len` bytes of `fd` from `offset` on, at `address` if that is not 0.
fn map(address: u64, len: usize, prot: i32, fd: i32, offset: usize) -> io::Result<*mut u8> {
    let fixed = if address == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE | fixed;
    // SAFETY: a new mapping; a fixed one replaces nothing.
    let at = unsafe {
        libc::mmap(address as *mut libc::c_void, len, prot, flags, fd, offset as libc::off_t)
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(at.cast())
}

fn memory_file(name: &std::ffi::CStr, len: usize) -> io::Result<i32> {
    // SAFETY: plain system calls.
    unsafe {
        let fd = check(libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC))?;
        check(libc::ftruncate(fd, len as libc::off_t))?;
        Ok(fd)
    }
}

/// The host's processor.
pub struct Host {
    shared: *mut Shared,
    pid: libc::pid_t,
    /// Where a count is written to start a batch, and read back when it is done.
    command: i32,
    answer: i32,
    /// The child's processor time when it began with the batch.
    started: u64,
    /// How often the child had to be started again.
    pub restarts: u64,
}

impl Host {
    /// Starts the child process.
    pub fn new() -> io::Result<Self> {
        /// AT_HWCAP2: programs may use RDFSBASE and the like.
        const FSGSBASE: u64 = 2;
        // SAFETY: reads what the kernel gave to the program.
        if unsafe { libc::getauxval(libc::AT_HWCAP2) } & FSGSBASE == 0 {
            return Err(io::Error::other("Linux 5.9 on a processor with FSGSBASE is needed"));
        }
        let fd = memory_file(c"cases", size_of::<Shared>())?;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let shared: *mut Shared = map(0, size_of::<Shared>(), prot, fd, 0)?.cast();
        // SAFETY: the mapping is large enough and nobody else has it yet.
        unsafe { (*shared).baseline = *baseline() };
        let mut host = Self { shared, pid: 0, command: -1, answer: -1, started: 0, restarts: 0 };
        host.start()?;
        Ok(host)
    }

    fn start(&mut self) -> io::Result<()> {
        let (mut command, mut answer) = ([0; 2], [0; 2]);
        // SAFETY: the child runs only `child_main`, which keeps to what a forked child may do.
        unsafe {
            check(libc::pipe2(command.as_mut_ptr(), libc::O_CLOEXEC))?;
            check(libc::pipe2(answer.as_mut_ptr(), libc::O_CLOEXEC))?;
            let pid = check(libc::fork())?;
            if pid == 0 {
                // The parent's ends stay with the parent, so that its end is seen.
                libc::close(command[1]);
                libc::close(answer[0]);
                let code =
                    if child_main(self.shared, command[0], answer[1]).is_ok() { 0 } else { 1 };
                libc::_exit(code);
            }
            libc::close(command[0]);
            libc::close(answer[1]);
            self.pid = pid;
        }
        (self.command, self.answer) = (command[1], answer[0]);
        Ok(())
    }

    fn stop(&mut self) {
        // SAFETY: our own child and our own descriptors.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, ptr::null_mut(), 0);
            libc::close(self.command);
            libc::close(self.answer);
        }
    }

    /// Hands over a batch of [`BATCH`] cases at most. [`finish`](Self::finish) goes after it.
    pub fn begin(&mut self, inputs: &[Input]) -> io::Result<()> {
        assert!(inputs.len() <= BATCH);
        // SAFETY: the child waits; the arrays are ours.
        unsafe {
            (&mut (*self.shared).inputs)[..inputs.len()].copy_from_slice(inputs);
            (*self.shared).count.store(inputs.len() as u32, Ordering::Release);
            (*self.shared).current.store(0, Ordering::Release);
        }
        self.kick()
    }

    /// Processor time of the child in nanoseconds.
    fn child_time(&self) -> u64 {
        let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
        // SAFETY: both write to our variables.
        let known = unsafe {
            libc::clock_getcpuclockid(self.pid, &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        if known { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 } else { u64::MAX }
    }

    fn kick(&mut self) -> io::Result<()> {
        self.started = self.child_time();
        // SAFETY: a byte to our pipe.
        let written = unsafe { libc::write(self.command, [0_u8].as_ptr().cast(), 1) };
        if written == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits for the batch and returns what its cases ended with.
    pub fn finish(&mut self) -> io::Result<&[Output]> {
        loop {
            let mut poll = libc::pollfd { fd: self.answer, events: libc::POLLIN, revents: 0 };
            let mut byte = 0_u8;
            // SAFETY: waits for our pipe and takes a byte from it.
            let done = unsafe {
                libc::poll(&mut poll, 1, TIMEOUT_MS) > 0
                    && libc::read(self.answer, (&raw mut byte).cast(), 1) == 1
            };
            if done {
                break;
            }
            let hung = poll.revents == 0;
            if hung && self.child_time().saturating_sub(self.started) < TIMEOUT_NS {
                // Others have the processor.
                continue;
            }
            self.stop();
            self.restarts += 1;
            // SAFETY: the child is gone, everything is ours.
            let more = unsafe {
                let shared = &mut *self.shared;
                let at = shared.current.load(Ordering::Acquire) as usize;
                if let Some(output) = shared.outputs.get_mut(at) {
                    *output = Output::ZERO;
                    output.vector = if hung { HANG } else { DEAD };
                }
                shared.current.store(at as u32 + 1, Ordering::Release);
                at + 1 < shared.count.load(Ordering::Acquire) as usize
            };
            self.start()?;
            if !more {
                break;
            }
            self.kick()?;
        }
        // SAFETY: the child waits; it has written these.
        unsafe {
            let count = (*self.shared).count.load(Ordering::Acquire) as usize;
            Ok(&(&(*self.shared).outputs)[..count])
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
        // SAFETY: mapped in `new`, and the child is gone.
        unsafe { libc::munmap(self.shared.cast(), size_of::<Shared>()) };
    }
}

/// Maps an area of the image (or the code, which follows it) where the cases expect it.
fn map_area(fd: i32, area: Area, prot: i32) -> io::Result<()> {
    map(area.start, area.pages * PAGE, prot, fd, area.at * PAGE).map(|_| ())
}

/// The child: sets the stage, then works on a batch whenever a byte arrives.
fn child_main(shared: *mut Shared, command: i32, answer: i32) -> io::Result<()> {
    let total = (IMAGE_PAGES + CODE_PAGES) * PAGE;
    let fd = memory_file(c"guest", total)?;
    let memory = map(0, total, libc::PROT_READ | libc::PROT_WRITE, fd, 0)?;
    let mut child = Child {
        shared,
        memory,
        // SAFETY: plain numbers.
        home: UnsafeCell::new(unsafe { zeroed() }),
        busy: UnsafeCell::new(false),
    };
    // SAFETY: both are as long as that.
    unsafe {
        ptr::copy_nonoverlapping((*shared).baseline.as_ptr(), memory.cast(), IMAGE_WORDS);
        ptr::write_bytes(memory.add(IMAGE_PAGES * PAGE), INT3, CODE_PAGES * PAGE);
    }
    let code = Area { start: CODE, pages: CODE_PAGES, writable: false, at: IMAGE_PAGES };
    map_area(fd, code, libc::PROT_READ | libc::PROT_EXEC)?;
    for area in AREAS {
        let write = if area.writable { libc::PROT_WRITE } else { 0 };
        map_area(fd, area, libc::PROT_READ | write)?;
    }
    CHILD.store(&raw mut child, Ordering::Release);
    // SAFETY: system calls with valid arguments; the signal stack is a mapping of its own.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let stack = libc::mmap(
            ptr::null_mut(),
            ALT_STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        );
        let alternate = libc::stack_t { ss_sp: stack, ss_flags: 0, ss_size: ALT_STACK };
        check(libc::sigaltstack(&alternate, ptr::null_mut()))?;
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for signal in
            [libc::SIGUSR1, libc::SIGTRAP, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS]
        {
            check(libc::sigaction(signal, &action, ptr::null_mut()))?;
        }
        let mut byte = 0_u8;
        while libc::read(command, (&raw mut byte).cast(), 1) == 1 {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), libc::SIGUSR1);
            if libc::write(answer, (&raw const byte).cast(), 1) != 1 {
                break;
            }
        }
    }
    Ok(())
}

/// Registers of a signal frame in the order of their encodings.
const GREGS: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// A case ended, or a batch begins.
extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // AC, NT and ID may be left from the case; what the flags are here is what sigreturn keeps of them.
    // FS may be the case's, so nothing thread-local is used here.
    // SAFETY: IF cannot be changed here; the others are as the ABI wants them.
    unsafe { std::arch::asm!("push 0x202", "popfq") };
    let segments = Segments::current();
    // SAFETY: set before the handler was installed, and alive as long as the process; the kernel's frame
    // is valid while the handler runs, which nothing interrupts that would run it again.
    unsafe {
        let child = &*CHILD.load(Ordering::Acquire);
        let context = &mut *context.cast::<libc::ucontext_t>();
        let gregs = &mut context.uc_mcontext.gregs;
        let fpregs = context.uc_mcontext.fpregs.cast::<u8>();
        let shared = &mut *child.shared;
        let mut at = shared.current.load(Ordering::Relaxed) as usize;
        if *child.busy.get() {
            let Some(output) = shared.outputs.get_mut(at) else { libc::_exit(2) };
            leave(child, &shared.inputs[at], output, gregs, fpregs, &shared.baseline);
            let [es, ds, fs, gs] = segments.selectors;
            let selectors = &mut output.state.selectors;
            (selectors[ES], selectors[DS], selectors[FS], selectors[GS]) = (es, ds, fs, gs);
            output.state.bases = segments.bases;
            at += 1;
            shared.current.store(at as u32, Ordering::Release);
        } else {
            let home = &mut *child.home.get();
            home.gregs = *gregs;
            home.segments = segments;
            ptr::copy_nonoverlapping(fpregs, home.fx.as_mut_ptr(), 512);
            *child.busy.get() = true;
        }
        if at < shared.count.load(Ordering::Relaxed) as usize {
            enter(child, &shared.inputs[at], gregs, fpregs);
        } else {
            let home = &*child.home.get();
            *gregs = home.gregs;
            ptr::copy_nonoverlapping(home.fx.as_ptr(), fpregs, fx::USED);
            home.segments.load();
            *child.busy.get() = false;
        }
    }
}

/// Puts a case's registers into the frame and its bytes into memory.
unsafe fn enter(child: &Child, input: &Input, gregs: &mut [i64; 23], fpregs: *mut u8) {
    // SAFETY: the places are inside the mapping.
    unsafe {
        for (place, byte) in input.patched() {
            child.memory.add(place).write(byte);
        }
        let code = child.memory.add(IMAGE_PAGES * PAGE);
        let first = (input.state.rip - CODE) as usize;
        for (i, byte) in input.code().iter().enumerate() {
            if first + i < CODE_PAGES * PAGE {
                code.add(first + i).write(*byte);
            }
        }
    }
    for (greg, value) in GREGS.iter().zip(input.state.regs) {
        gregs[*greg as usize] = value as i64;
    }
    gregs[libc::REG_RIP as usize] = input.state.rip as i64;
    gregs[libc::REG_EFL as usize] = (input.state.rflags & FRAME_FLAGS | 0x202) as i64;
    let cs = if input.bits == 64 { selector::CODE64 } else { selector::CODE32 };
    gregs[libc::REG_CSGSFS as usize] = (u64::from(cs) | u64::from(selector::DATA) << 48) as i64;
    // SAFETY: the frame's image is an XSAVE area of more than 576 bytes.
    unsafe {
        ptr::copy_nonoverlapping(input.state.fx.0.as_ptr(), fpregs, fx::MXCSR + 4);
        let rest = fx::ST;
        ptr::copy_nonoverlapping(
            input.state.fx.0.as_ptr().add(rest),
            fpregs.add(rest),
            fx::USED - rest,
        );
        // XSTATE_BV: x87 and SSE are to be loaded.
        *fpregs.add(512) |= 3;
        let selectors = &input.state.selectors;
        let selectors = [selectors[ES], selectors[DS], selectors[FS], selectors[GS]];
        Segments { selectors, bases: input.state.bases }.load();
    }
}

/// Takes what a case left from the frame and from memory, and cleans up.
unsafe fn leave(
    child: &Child,
    input: &Input,
    output: &mut Output,
    gregs: &[i64; 23],
    fpregs: *const u8,
    baseline: &[u64],
) {
    for (value, greg) in output.state.regs.iter_mut().zip(GREGS) {
        *value = gregs[greg as usize] as u64;
    }
    output.state.rip = gregs[libc::REG_RIP as usize] as u64;
    output.state.rflags = gregs[libc::REG_EFL as usize] as u64;
    output.vector = gregs[libc::REG_TRAPNO as usize] as u32;
    output.error = gregs[libc::REG_ERR as usize] as u32;
    output.cr2 = gregs[libc::REG_CR2 as usize] as u64;
    let selectors = gregs[libc::REG_CSGSFS as usize] as u64;
    (output.state.selectors[CS], output.state.selectors[SS]) =
        (selectors as u16, (selectors >> 48) as u16);
    output.state.fx = State::ZERO.fx;
    // SAFETY: the image is that long; the memory is the mapping.
    unsafe {
        ptr::copy_nonoverlapping(fpregs, output.state.fx.0.as_mut_ptr(), fx::USED);
        output.collect(child.memory.cast(), baseline);
        let code = child.memory.add(IMAGE_PAGES * PAGE);
        let first = (input.state.rip - CODE) as usize;
        let end = (first + input.code_len as usize).min(CODE_PAGES * PAGE);
        ptr::write_bytes(code.add(first), INT3, end - first);
    }
}
