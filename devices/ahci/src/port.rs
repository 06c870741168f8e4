//! A port: its registers, its link, and its resets (AHCI 1.3.1, 3.3 and 10.4). What it does with
//! commands is in `engine`.

use serde::{Deserialize, Serialize};

use crate::drive::{Attachment, Drive, DriveState, Operation, Protocol, Work};
use crate::engine::{MAX_REQUESTS, Progress, Request, Transfer};
use crate::fis::{self, Status, received};
use crate::memory::{Dma, Prdt};
use crate::registers::{
    DET_COMRESET, DET_OFFLINE, PortCmd, PortIrq, PortRegister, SCTL_DET, SCTL_WRITABLE,
    SERR_DIAG_N, SERR_DIAG_X, SIG_NONE, SLOTS, SSTS_ACTIVE, SSTS_NO_COMMUNICATION, SSTS_OFFLINE,
    TFD_NONE,
};

const LIST_ALIGN: u64 = 0x400;
const FIS_ALIGN: u64 = 0x100;
/// The most that one command moves: 65,536 sectors of a disk, or with READ (12) a whole DVD.
const MAX_WORK: u64 = 1 << 44;
const MAX_RANGES: usize = 512;

/// The registers, and what the port knows beside them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registers {
    pub clb: u64,
    pub fb: u64,
    /// PxIS without the bits that mirror PxSERR.
    pub is: u32,
    pub ie: u32,
    /// The bits of PxCMD that software sets.
    pub cmd: u32,
    pub tfd: u32,
    pub sig: u32,
    pub ssts: u32,
    pub sctl: u32,
    pub serr: u32,
    pub sact: u32,
    pub ci: u32,
    /// The slot that was processed last.
    pub slot: u8,
    /// An error has stopped the command list until PxCMD.ST is cleared or the port is reset.
    pub is_halted: bool,
    /// The signature FIS waits for PxCMD.FRE.
    pub signature_waits: bool,
    /// SRST is set.
    pub in_software_reset: bool,
}

impl Registers {
    const POWER_ON: Self = Self {
        clb: 0,
        fb: 0,
        is: 0,
        ie: 0,
        cmd: 0,
        tfd: TFD_NONE,
        sig: SIG_NONE,
        ssts: 0,
        sctl: 0,
        serr: 0,
        sact: 0,
        ci: 0,
        slot: 0,
        is_halted: false,
        signature_waits: false,
        in_software_reset: false,
    };

    pub fn cmd(&self) -> PortCmd {
        PortCmd::from_bits_truncate(self.cmd)
    }

    /// Whether a device is there and the link to it is up.
    pub fn is_linked(&self) -> bool {
        self.ssts == SSTS_ACTIVE
    }
}

pub(crate) struct Port {
    pub registers: Registers,
    pub drive: Option<Drive>,
    /// Commands that wait for the back end, in the order they came.
    pub transfers: Vec<Transfer>,
    /// What the back end is doing for them.
    pub requests: Vec<Request>,
    pub next_request: u64,
    /// After a restore: requests that are to be submitted again, once guest memory is there.
    pub resumed: Vec<Request>,
    /// Queued commands that have ended and that the host is to be told of.
    pub queue_done: u32,
    has_event: bool,
}

/// What of a port goes into the controller's snapshot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortState {
    registers: Registers,
    drive: Option<DriveState>,
    /// Commands in flight.
    commands: Vec<CommandState>,
    /// What the back end does for them; it is asked again, under the same numbers.
    requests: Vec<Request>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandState {
    slot: u8,
    work: Work,
    data: Prdt,
    progress: Progress,
}

impl Port {
    pub fn new(attachment: Option<Attachment>) -> Self {
        let mut port = Self {
            registers: Registers::POWER_ON,
            drive: attachment.map(Drive::new),
            transfers: Vec::new(),
            requests: Vec::new(),
            next_request: 0,
            resumed: Vec::new(),
            queue_done: 0,
            has_event: false,
        };
        port.reset();
        port
    }

    /// Power-on. Nothing is posted, since PxCMD.FRE is clear.
    pub fn reset(&mut self) {
        self.cancel();
        self.registers = Registers::POWER_ON;
        self.has_event = false;
        self.link_up();
    }

    /// GHC.HR: all but the addresses of command list and FIS area.
    pub fn hba_reset(&mut self) {
        let (clb, fb) = (self.registers.clb, self.registers.fb);
        self.reset();
        (self.registers.clb, self.registers.fb) = (clb, fb);
    }

    /// The device, if there is one, has been reset and sends its signature.
    fn link_up(&mut self) {
        let registers = &mut self.registers;
        registers.is_halted = false;
        registers.in_software_reset = false;
        let Some(drive) = &mut self.drive else { return };
        drive.reset(false);
        registers.ssts = SSTS_ACTIVE;
        registers.serr |= SERR_DIAG_X | SERR_DIAG_N;
        self.take_signature();
    }

    /// Takes the signature FIS. It sets no interrupt, and is posted as soon as PxCMD.FRE is set and the
    /// function is a bus master.
    pub fn take_signature(&mut self) {
        let Some(drive) = &mut self.drive else { return };
        let task_file = drive.task_file();
        self.registers.tfd = task_file.tfd();
        self.registers.sig = task_file.signature();
        self.registers.signature_waits = true;
    }

    pub fn post_signature(&mut self, dma: Dma<'_>) {
        if dma.is_bus_master
            && self.registers.cmd().contains(PortCmd::FRE)
            && std::mem::take(&mut self.registers.signature_waits)
            && let Some(drive) = &mut self.drive
        {
            let signature = fis::device_to_host(drive.task_file(), false);
            self.post(dma, received::DEVICE_TO_HOST, &signature);
        }
    }

    /// Posts a FIS, while those are received.
    pub fn post(&mut self, dma: Dma<'_>, offset: u64, fis: &[u8]) {
        if self.registers.cmd().contains(PortCmd::FRE)
            && dma.write(self.registers.fb.wrapping_add(offset), fis).is_err()
        {
            self.stop_with(PortIrq::HBFS);
        }
    }

    /// Sets bits of PxIS.
    pub fn raise(&mut self, irq: PortIrq) {
        self.registers.is |= irq.bits();
        self.has_event = true;
    }

    /// A fatal error: nothing goes on until software restarts the port.
    pub fn stop_with(&mut self, irq: PortIrq) {
        self.cancel();
        self.registers.is_halted = true;
        self.raise(irq);
    }

    /// Forgets what is in flight.
    pub fn cancel(&mut self) {
        if !self.requests.is_empty()
            && let Some(drive) = &mut self.drive
        {
            drive.backend().cancel_all();
        }
        self.requests.clear();
        self.resumed.clear();
        self.transfers.clear();
        self.queue_done = 0;
    }

    fn is(&self) -> u32 {
        let mut is = PortIrq::from_bits_retain(self.registers.is);
        is.set(PortIrq::PCS, self.registers.serr & SERR_DIAG_X != 0);
        is.set(PortIrq::PRCS, self.registers.serr & SERR_DIAG_N != 0);
        is.bits()
    }

    /// Whether the port asks for its bit in IS.
    pub fn is_pending(&self) -> bool {
        self.is() & self.registers.ie != 0
    }

    /// Whether something was raised since the last call.
    pub fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.has_event)
    }

    pub fn read(&self, register: PortRegister) -> u32 {
        let r = &self.registers;
        match register {
            PortRegister::Clb => r.clb as u32,
            PortRegister::Clbu => (r.clb >> 32) as u32,
            PortRegister::Fb => r.fb as u32,
            PortRegister::Fbu => (r.fb >> 32) as u32,
            PortRegister::Is => self.is(),
            PortRegister::Ie => r.ie,
            PortRegister::Cmd => {
                let mut cmd = r.cmd() | PortCmd::SUD | PortCmd::POD;
                cmd.set(PortCmd::FR, cmd.contains(PortCmd::FRE));
                cmd.set(PortCmd::CR, cmd.contains(PortCmd::ST));
                let slot = if cmd.contains(PortCmd::ST) { u32::from(r.slot) } else { 0 };
                cmd.bits() | slot << PortCmd::CCS_SHIFT
            }
            PortRegister::Tfd => r.tfd,
            PortRegister::Sig => r.sig,
            PortRegister::Ssts => r.ssts,
            PortRegister::Sctl => r.sctl,
            PortRegister::Serr => r.serr,
            PortRegister::Sact => r.sact,
            PortRegister::Ci => r.ci,
        }
    }

    /// Writes the bits of `value` that `mask` has.
    pub fn write(&mut self, register: PortRegister, value: u32, mask: u32, dma: Dma<'_>) {
        let merge = |old: u32| old & !mask | value & mask;
        let set = value & mask;
        let r = &mut self.registers;
        let is_started = r.cmd().contains(PortCmd::ST);
        match register {
            PortRegister::Clb => r.clb = low(r.clb, merge(r.clb as u32)) & !(LIST_ALIGN - 1),
            PortRegister::Clbu => r.clb = high(r.clb, merge((r.clb >> 32) as u32)),
            PortRegister::Fb => r.fb = low(r.fb, merge(r.fb as u32)) & !(FIS_ALIGN - 1),
            PortRegister::Fbu => r.fb = high(r.fb, merge((r.fb >> 32) as u32)),
            PortRegister::Is => r.is &= !set,
            PortRegister::Ie => r.ie = merge(r.ie) & PortIrq::all().bits(),
            PortRegister::Cmd => {
                let cmd = PortCmd::from_bits_truncate(merge(r.cmd));
                self.write_cmd(cmd, dma);
            }
            PortRegister::Sctl => self.write_sctl(merge(self.registers.sctl), dma),
            PortRegister::Serr => r.serr &= !set,
            // Both are only ever set by software, and only while the list is processed.
            PortRegister::Sact if is_started => r.sact |= set,
            PortRegister::Ci if is_started => {
                r.ci |= set;
                self.run(dma);
            }
            PortRegister::Sact | PortRegister::Ci => {}
            PortRegister::Tfd | PortRegister::Sig | PortRegister::Ssts => {}
        }
    }

    fn write_cmd(&mut self, cmd: PortCmd, dma: Dma<'_>) {
        let old = self.registers.cmd();
        let new = cmd & PortCmd::WRITABLE;
        self.registers.cmd = new.bits();
        if cmd.contains(PortCmd::CLO) {
            self.registers.tfd &= !u32::from((Status::BSY | Status::DRQ).bits());
        }
        if (new - old).contains(PortCmd::FRE) {
            self.post_signature(dma);
        }
        if (old - new).contains(PortCmd::ST) {
            self.stop_list();
        } else if (new - old).contains(PortCmd::ST) {
            self.registers.slot = SLOTS as u8 - 1;
        }
    }

    /// PxCMD.ST was cleared: the commands are gone, and the device has nothing more to do.
    fn stop_list(&mut self) {
        let was_busy = !self.transfers.is_empty();
        self.cancel();
        let registers = &mut self.registers;
        registers.ci = 0;
        registers.sact = 0;
        registers.is_halted = false;
        if was_busy {
            registers.tfd = Status::GOOD.bits().into();
        }
    }

    fn write_sctl(&mut self, sctl: u32, dma: Dma<'_>) {
        let old = self.registers.sctl & SCTL_DET;
        self.registers.sctl = sctl & SCTL_WRITABLE;
        let new = sctl & SCTL_DET;
        if old == new {
            return;
        }
        let registers = &mut self.registers;
        match new {
            DET_COMRESET | DET_OFFLINE => {
                registers.ci = 0;
                registers.sact = 0;
                registers.sig = SIG_NONE;
                registers.signature_waits = false;
                registers.ssts = match (new, &self.drive) {
                    (DET_OFFLINE, _) => SSTS_OFFLINE,
                    (_, Some(_)) => SSTS_NO_COMMUNICATION,
                    (_, None) => 0,
                };
                let is_there = self.drive.is_some() && new == DET_COMRESET;
                registers.tfd = if is_there { Status::BSY.bits().into() } else { TFD_NONE };
                self.cancel();
            }
            _ if matches!(old, DET_COMRESET | DET_OFFLINE) => {
                registers.ssts = 0;
                self.link_up();
                self.has_event = true;
                self.post_signature(dma);
            }
            _ => {}
        }
    }

    pub fn save(&self) -> PortState {
        PortState {
            registers: self.registers.clone(),
            drive: self.drive.as_ref().map(Drive::save),
            commands: self
                .transfers
                .iter()
                .map(|t| CommandState {
                    slot: t.slot,
                    work: t.work.clone(),
                    data: t.data,
                    progress: t.progress(),
                })
                .collect(),
            requests: self.requests.iter().chain(&self.resumed).cloned().collect(),
        }
    }

    /// Takes over a saved state. The back end is asked again at the next tick.
    pub fn restore(&mut self, state: PortState) -> Result<(), String> {
        check_commands(&state.commands)?;
        check_requests(&state)?;
        self.cancel();
        match (&mut self.drive, state.drive) {
            (Some(drive), Some(state)) => drive.restore(state)?,
            (None, None) => {}
            (Some(_), None) => return Err("nothing where a drive is".into()),
            (None, Some(_)) => return Err("a drive where nothing is".into()),
        }
        let mut registers = state.registers;
        registers.clb &= !(LIST_ALIGN - 1);
        registers.fb &= !(FIS_ALIGN - 1);
        registers.cmd &= PortCmd::WRITABLE.bits();
        registers.sctl &= SCTL_WRITABLE;
        registers.slot %= SLOTS as u8;
        if self.drive.is_none() && registers.is_linked() {
            return Err("a link to no drive".into());
        }
        self.registers = registers;
        self.has_event = false;
        self.transfers = state
            .commands
            .into_iter()
            .map(|CommandState { slot, work, data, progress }| {
                Transfer::resume(slot, work, data, progress, &state.requests)
            })
            .collect::<Result<_, _>>()?;
        self.next_request = state.requests.iter().map(|r| r.id + 1).max().unwrap_or(0);
        self.resumed = state.requests;
        Ok(())
    }
}

fn low(whole: u64, half: u32) -> u64 {
    whole & !0xffff_ffff | u64::from(half)
}

fn high(whole: u64, half: u32) -> u64 {
    whole & 0xffff_ffff | u64::from(half) << 32
}

/// Saved requests must be of saved commands, and as many as there can be.
fn check_requests(state: &PortState) -> Result<(), String> {
    if state.requests.len() > MAX_REQUESTS {
        return Err(format!("{} requests", state.requests.len()));
    }
    for (n, request) in state.requests.iter().enumerate() {
        let is_twice = state.requests[..n].iter().any(|other| other.id == request.id);
        let is_owned = state.commands.iter().any(|command| command.slot == request.slot);
        if is_twice || !is_owned || request.id > u64::MAX / 2 {
            return Err(format!("request {} cannot be there", request.id));
        }
    }
    Ok(())
}

/// Saved commands must be such as a drive could have begun.
fn check_commands(commands: &[CommandState]) -> Result<(), String> {
    let mut seen = 0u32;
    for CommandState { slot, work, .. } in commands {
        let bit = 1u32.checked_shl((*slot).into()).ok_or("a slot above 31")?;
        if seen & bit != 0 {
            return Err(format!("two commands in slot {slot}"));
        }
        seen |= bit;
        match work.protocol {
            Protocol::Queued(tag) if tag == *slot => {}
            Protocol::Pio(block) if block != 0 && commands.len() == 1 => {}
            Protocol::Dma if commands.len() == 1 => {}
            _ => return Err(format!("the command in slot {slot} cannot be there")),
        }
        let is_sound = |offset: u64, len: u64| {
            len != 0 && len <= MAX_WORK && len.is_multiple_of(512) && offset <= 1 << 60
        };
        let is_sound = match &work.operation {
            Operation::Read { offset, len, .. } | Operation::Write { offset, len, .. } => {
                is_sound(*offset, *len)
            }
            Operation::Flush => true,
            Operation::Discard { ranges } => {
                (1..=MAX_RANGES).contains(&ranges.len())
                    && ranges.iter().all(|(offset, len)| is_sound(*offset, *len))
            }
        };
        if !is_sound {
            return Err(format!("the command in slot {slot} moves no such data"));
        }
    }
    Ok(())
}
