//! A port's engine: fetches commands, moves their data in pieces, and tells the host of their end
//! (AHCI 1.3.1, chapters 5 and 6).

use aero_bus::block::{BlockCompletion, BlockError, BlockOp, BlockRequest};
use serde::{Deserialize, Serialize};

use crate::cd;
use crate::drive::{Action, Layout, Operation, Protocol, Work};
use crate::fis::{self, CONTROL_SRST, Error, HostToDevice, Status, TaskFile, received};
use crate::memory::{Cursor, Dma, DmaError, Prdt, RawCommand, write_byte_count};
use crate::port::Port;
use crate::registers::{PortCmd, PortIrq, SLOTS};

/// The largest piece that a command is cut into, a multiple of all sector sizes.
const PIECE: u64 = 1 << 20;
/// Pieces of one port that the back end works on at a time.
pub(crate) const MAX_REQUESTS: usize = 8;
/// Completions of one port that a tick deals with.
const MAX_COMPLETIONS: usize = 32;
/// Bytes of an ATAPI command.
const PACKET_LEN: u16 = 12;

/// A command that waits for the back end.
pub(crate) struct Transfer {
    pub slot: u8,
    pub work: Work,
    pub data: Prdt,
    cursor: Cursor,
    /// How far the work has been handed to the back end, and how far it is done: bytes of the medium,
    /// or ranges of a discard.
    submitted: u64,
    done: u64,
    flush: Flush,
}

/// The flush at the end of a durable write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Flush {
    NotNeeded,
    Needed,
    Submitted,
}

/// How far a command is, for a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    submitted: u64,
    done: u64,
    flush: Flush,
}

/// What the back end is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub id: u64,
    pub slot: u8,
    /// Where in the work, and how much of it.
    at: u64,
    len: u64,
}

impl Transfer {
    pub fn new(slot: u8, work: Work, data: Prdt) -> Self {
        let is_durable = matches!(work.operation, Operation::Write { durable: true, .. });
        let flush = if is_durable { Flush::Needed } else { Flush::NotNeeded };
        Self { slot, work, data, cursor: Cursor::default(), submitted: 0, done: 0, flush }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { submitted: self.submitted, done: self.done, flush: self.flush }
    }

    /// A command that was under way, with those of `requests` that are its own.
    pub fn resume(
        slot: u8,
        work: Work,
        data: Prdt,
        progress: Progress,
        requests: &[Request],
    ) -> Result<Self, String> {
        let mut transfer = Self::new(slot, work, data);
        let fresh = transfer.flush;
        let total = transfer.total();
        let own = || requests.iter().filter(|request| request.slot == slot);
        let waits = own().try_fold(0u64, |sum, request| sum.checked_add(request.len));
        let flushes = own().filter(|request| request.at == total).count();
        let fits = |request: &Request| {
            let rest = total.checked_sub(request.at);
            request.at.is_multiple_of(transfer.piece())
                && rest.is_some_and(|rest| request.len == rest.min(transfer.piece()))
                || request.at == total && request.len == 0
        };
        let flush_is_sound = match progress.flush {
            Flush::Submitted => flushes == 1 && fresh == Flush::Needed && progress.done == total,
            other => flushes == 0 && other == fresh,
        };
        let adds_up = waits.and_then(|waits| waits.checked_add(progress.done));
        if progress.submitted > total
            || adds_up != Some(progress.submitted)
            || !flush_is_sound
            || !own().all(fits)
        {
            return Err(format!("the progress of the command in slot {slot} makes no sense"));
        }
        transfer.submitted = progress.submitted;
        transfer.done = progress.done;
        transfer.flush = progress.flush;
        Ok(transfer)
    }

    /// The largest piece that the work is cut into: bytes, or ranges of a discard.
    fn piece(&self) -> u64 {
        match &self.work.operation {
            Operation::Discard { .. } => 1,
            _ => PIECE,
        }
    }

    /// What is asked of the back end for one piece.
    fn operation(&mut self, dma: Dma<'_>, at: u64, len: u64) -> Result<BlockOp, DmaError> {
        Ok(match &self.work.operation {
            _ if at == self.total() => BlockOp::Flush,
            Operation::Read { offset, .. } => {
                BlockOp::Read { offset: offset + at, len: len as u32 }
            }
            Operation::Write { offset, .. } => {
                let mut data = vec![0; len as usize];
                self.data.gather(dma, &mut self.cursor, at, &mut data)?;
                BlockOp::Write { offset: offset + at, data }
            }
            Operation::Flush => BlockOp::Flush,
            Operation::Discard { ranges } => {
                let (offset, len) = ranges[at as usize];
                BlockOp::Discard { offset, len }
            }
        })
    }

    fn total(&self) -> u64 {
        match &self.work.operation {
            Operation::Read { len, .. } | Operation::Write { len, .. } => *len,
            Operation::Flush => 1,
            Operation::Discard { ranges } => ranges.len() as u64,
        }
    }

    /// Bytes that have gone to or come from the guest.
    fn transferred(&self) -> u64 {
        match &self.work.operation {
            Operation::Read { layout, .. } => cd::guest_len(*layout, self.done),
            Operation::Write { .. } => self.done,
            Operation::Flush | Operation::Discard { .. } => 0,
        }
    }

    fn is_queued(&self) -> bool {
        matches!(self.work.protocol, Protocol::Queued(_))
    }

    fn wants_request(&self) -> bool {
        self.submitted < self.total() || self.done == self.total() && self.flush == Flush::Needed
    }

    fn is_done(&self) -> bool {
        self.done == self.total() && self.flush == Flush::NotNeeded
    }
}

impl Port {
    /// Fetches what can be fetched and keeps the back end busy.
    pub fn run(&mut self, dma: Dma<'_>) {
        self.post_signature(dma);
        // Each round takes a bit out of PxCI, stops the port, or leaves it busy.
        while let Some(slot) = self.next_slot(dma) {
            self.fetch(slot, dma);
        }
        self.submit(dma);
    }

    /// The next command, round robin: a queued one joins those that are under way, any other waits
    /// until it is alone.
    fn next_slot(&self, dma: Dma<'_>) -> Option<u8> {
        let registers = &self.registers;
        if registers.is_halted
            || !registers.cmd().contains(PortCmd::ST)
            || !registers.is_linked()
            || !dma.is_bus_master
            || self.transfers.iter().any(|transfer| !transfer.is_queued())
        {
            return None;
        }
        let first = u32::from(registers.slot) + 1;
        let slot = (first..first + SLOTS)
            .map(|slot| slot % SLOTS)
            .find(|slot| registers.ci & 1 << slot != 0)?;
        let may_start = registers.sact & 1 << slot != 0 || self.transfers.is_empty();
        may_start.then_some(slot as u8)
    }

    fn fetch(&mut self, slot: u8, dma: Dma<'_>) {
        self.registers.slot = slot;
        let Ok(command) = RawCommand::fetch(dma, self.registers.clb, slot) else {
            return self.stop_with(PortIrq::HBFS);
        };
        let Some(fis) = HostToDevice::parse(&command.fis).filter(|_| !command.is_bist) else {
            // The device does not take such a FIS.
            return self.stop_with(PortIrq::IFS);
        };
        if !fis.is_command {
            self.control(&fis, command.clear_busy);
            self.registers.ci &= !(1 << slot);
            return self.post_signature(dma);
        }
        let Some(drive) = &mut self.drive else { return };
        let queued = drive.queued_tag(&fis);
        if queued.is_none() && !self.transfers.is_empty() {
            // Not to be mixed: the device gives all of them up.
            self.cancel();
            return self.refuse(slot, dma);
        }
        if let Some(tag) = queued {
            return self.fetch_queued(slot, tag, &fis, &command, dma);
        }
        self.registers.tfd |= u32::from(Status::BSY.bits());
        if drive.takes_packet(&fis) {
            let task_file = TaskFile { count: 1, lba: fis.lba, ..TaskFile::default() };
            let setup = fis::pio_setup(&task_file, false, false, Status::BSY, PACKET_LEN);
            self.post(dma, received::PIO_SETUP, &setup);
        }
        let Some(drive) = &mut self.drive else { return };
        let action = drive.execute(&fis, &command.packet);
        self.act(slot, action, command.data, dma);
    }

    fn control(&mut self, fis: &HostToDevice, clear_busy: bool) {
        let is_reset = fis.control & CONTROL_SRST != 0;
        let was_reset = std::mem::replace(&mut self.registers.in_software_reset, is_reset);
        if is_reset && !was_reset {
            self.cancel();
            self.registers.sact = 0;
            if let Some(drive) = &mut self.drive {
                drive.reset(true);
            }
            self.registers.tfd = Status::BSY.bits().into();
        }
        if clear_busy {
            self.registers.tfd &= !u32::from(Status::BSY.bits());
        }
        if was_reset && !is_reset {
            self.take_signature();
        }
    }

    fn fetch_queued(
        &mut self,
        slot: u8,
        tag: u8,
        fis: &HostToDevice,
        command: &RawCommand,
        dma: Dma<'_>,
    ) {
        if tag != slot {
            // A queued command is found again by its tag (AHCI 1.3.1, 5.5.1).
            return self.refuse_queued(tag, dma);
        }
        let Some(drive) = &mut self.drive else { return };
        match drive.execute(fis, &command.packet) {
            Action::Work(work) => {
                self.transfers.push(Transfer::new(slot, work, command.data));
                self.registers.ci &= !(1 << slot);
                self.tell_registers(false, dma);
            }
            _ => self.refuse_queued(tag, dma),
        }
    }

    /// Refuses a command that is not queued.
    fn refuse(&mut self, slot: u8, dma: Dma<'_>) {
        self.set_aborted();
        self.finish(slot, 0, None, dma);
    }

    /// Refuses a queued command. One that the drive has refused by itself has its reason already.
    fn refuse_queued(&mut self, tag: u8, dma: Dma<'_>) {
        let Some(drive) = &mut self.drive else { return };
        if !drive.task_file().status.contains(Status::ERR) {
            self.set_aborted();
        }
        if let Some(crate::drive::Drive::Disk(disk)) = &mut self.drive {
            disk.refuse_queued(tag);
        }
        self.fail_queue(dma);
    }

    fn set_aborted(&mut self) {
        if let Some(drive) = &mut self.drive {
            let task_file = drive.task_file();
            task_file.status = Status::DRDY | Status::ERR;
            task_file.error = Error::ABRT.bits();
        }
    }

    /// Does what a drive has asked for.
    fn act(&mut self, slot: u8, action: Action, prdt: Prdt, dma: Dma<'_>) {
        match action {
            Action::Done => self.finish(slot, 0, None, dma),
            Action::DataIn { data, protocol } => {
                match prdt.scatter(dma, &mut Cursor::default(), 0, &data) {
                    Ok(()) => self.finish(slot, data.len() as u64, Some((protocol, true)), dma),
                    Err(error) => self.stop_with_dma(error),
                }
            }
            Action::DataOut { len, protocol } => {
                let mut data = vec![0; len];
                let Some(drive) = &mut self.drive else { return };
                match prdt.gather(dma, &mut Cursor::default(), 0, &mut data) {
                    Ok(()) => match drive.take_data(&data) {
                        Action::Work(work) => self.begin(slot, work, prdt, dma),
                        _ => self.finish(slot, len as u64, Some((protocol, false)), dma),
                    },
                    Err(error) => self.stop_with_dma(error),
                }
            }
            Action::Work(work) => self.begin(slot, work, prdt, dma),
        }
    }

    fn begin(&mut self, slot: u8, work: Work, data: Prdt, dma: Dma<'_>) {
        let transfer = Transfer::new(slot, work, data);
        if transfer.total() == 0 {
            return self.finish(slot, 0, None, dma);
        }
        self.transfers.push(transfer);
    }

    fn stop_with_dma(&mut self, error: DmaError) {
        match error {
            DmaError::Bus => self.stop_with(PortIrq::HBFS),
            DmaError::Overflow => self.stop_with(PortIrq::OFS | PortIrq::IFS),
        }
    }

    /// Hands pieces of work to the back end, the oldest command first.
    fn submit(&mut self, dma: Dma<'_>) {
        if !self.resumed.is_empty() && !self.submit_resumed(dma) {
            return;
        }
        while self.requests.len() < MAX_REQUESTS {
            let wants = self.transfers.iter().position(Transfer::wants_request);
            let (Some(index), Some(drive)) = (wants, &mut self.drive) else { return };
            let transfer = &mut self.transfers[index];
            let (at, rest) = (transfer.submitted, transfer.total() - transfer.submitted);
            let len = rest.min(transfer.piece());
            let op = match transfer.operation(dma, at, len) {
                Ok(op) => op,
                Err(error) => return self.stop_with_dma(error),
            };
            if rest == 0 {
                transfer.flush = Flush::Submitted;
            }
            transfer.submitted += len;
            let id = self.next_request;
            self.next_request += 1;
            self.requests.push(Request { id, slot: transfer.slot, at, len });
            drive.backend().submit(BlockRequest { id, op });
            let transfer = &self.transfers[index];
            if let (Protocol::Queued(tag), Operation::Write { .. }) =
                (transfer.work.protocol, &transfer.work.operation)
            {
                self.post(dma, received::DMA_SETUP, &fis::dma_setup(tag, false, len as u32));
            }
        }
    }

    /// Submits the requests again that were in flight when the state was saved, under their numbers.
    /// Returns whether the port still runs.
    fn submit_resumed(&mut self, dma: Dma<'_>) -> bool {
        for request in std::mem::take(&mut self.resumed) {
            let transfer = self.transfers.iter_mut().find(|t| t.slot == request.slot);
            let (Some(transfer), Some(drive)) = (transfer, &mut self.drive) else { continue };
            let op = match transfer.operation(dma, request.at, request.len) {
                Ok(op) => op,
                Err(error) => {
                    self.stop_with_dma(error);
                    return false;
                }
            };
            drive.backend().submit(BlockRequest { id: request.id, op });
            self.requests.push(request);
        }
        true
    }

    /// Takes completions from the back end. Returns whether there may be more.
    pub fn tick(&mut self, dma: Dma<'_>) -> bool {
        let Some(drive) = &mut self.drive else { return false };
        drive.tick();
        let mut taken = 0;
        while taken < MAX_COMPLETIONS
            && let Some(drive) = &mut self.drive
            && let Some(completion) = drive.backend().poll()
        {
            taken += 1;
            self.complete(completion, dma);
            self.submit(dma);
        }
        self.tell_queue_done(dma);
        self.run(dma);
        taken == MAX_COMPLETIONS
    }

    fn complete(&mut self, completion: BlockCompletion, dma: Dma<'_>) {
        let Some(n) = self.requests.iter().position(|request| request.id == completion.id) else {
            log::debug!("a completion of a request that was given up: {completion:?}");
            return;
        };
        let request = self.requests.remove(n);
        let Some(index) = self.transfers.iter().position(|t| t.slot == request.slot) else {
            return;
        };
        let transfer = &mut self.transfers[index];
        let result = completion.result.and_then(|data| match &transfer.work.operation {
            Operation::Read { .. } if data.len() as u64 != request.len => {
                Err(BlockError::Host(format!("{} bytes for {}", data.len(), request.len)))
            }
            _ => Ok(data),
        });
        let data = match result {
            Ok(data) => data,
            Err(error) => return self.fail(index, &request, &error, dma),
        };
        if let Operation::Read { offset, layout, .. } = transfer.work.operation {
            let raw;
            let bytes = match layout {
                Layout::Plain => &data,
                Layout::RawCd => {
                    raw = cd::raw_sectors(offset + request.at, &data);
                    &raw
                }
            };
            let at = cd::guest_len(layout, request.at);
            if let Err(error) = transfer.data.scatter(dma, &mut transfer.cursor, at, bytes) {
                return self.stop_with_dma(error);
            }
            if let Protocol::Queued(tag) = transfer.work.protocol {
                let setup = fis::dma_setup(tag, true, bytes.len() as u32);
                self.post(dma, received::DMA_SETUP, &setup);
            }
        }
        // Posting may have stopped the port and dropped its commands.
        let Some(transfer) = self.transfers.get_mut(index) else { return };
        transfer.done += request.len;
        if transfer.flush == Flush::Submitted {
            transfer.flush = Flush::NotNeeded;
        }
        if transfer.is_done() {
            let transfer = self.transfers.remove(index);
            self.end(transfer, dma);
        }
    }

    /// A command has ended well.
    fn end(&mut self, transfer: Transfer, dma: Dma<'_>) {
        let transferred = transfer.transferred();
        if let Some(drive) = &mut self.drive {
            drive.succeed(&transfer.work, transferred);
        }
        if transfer.is_queued() {
            let list = self.registers.clb;
            if write_byte_count(dma, list, transfer.slot, transferred).is_err() {
                return self.stop_with(PortIrq::HBFS);
            }
            self.queue_done |= 1 << transfer.slot;
        } else {
            let to_host = matches!(transfer.work.operation, Operation::Read { .. });
            let data = (transferred != 0).then_some((transfer.work.protocol, to_host));
            self.finish(transfer.slot, transferred, data, dma);
        }
    }

    /// The back end has failed a command.
    fn fail(&mut self, index: usize, request: &Request, error: &BlockError, dma: Dma<'_>) {
        let transfer = self.transfers.remove(index);
        if let Some(drive) = &mut self.drive {
            drive.fail(&transfer.work, request.at, error);
        }
        if transfer.is_queued() {
            self.fail_queue(dma);
        } else {
            self.cancel();
            self.finish(transfer.slot, transfer.transferred(), None, dma);
        }
    }

    /// Ends a command that is not queued, as the drive's task file says. `data` is how its data went
    /// and whether to the host.
    fn finish(&mut self, slot: u8, transferred: u64, data: Option<(Protocol, bool)>, dma: Dma<'_>) {
        if write_byte_count(dma, self.registers.clb, slot, transferred).is_err() {
            return self.stop_with(PortIrq::HBFS);
        }
        let Some(drive) = &mut self.drive else { return };
        let task_file = *drive.task_file();
        if let Some((Protocol::Pio(block), to_host)) = data
            && transferred != 0
        {
            let block = u64::from(block.max(1));
            let last = (transferred - 1) % block + 1;
            let ending = task_file.status;
            let setup = fis::pio_setup(&task_file, to_host, to_host, ending, last as u16);
            self.post(dma, received::PIO_SETUP, &setup);
            if to_host {
                self.raise(PortIrq::PSS);
            }
        }
        self.tell_registers(true, dma);
        if task_file.status.contains(Status::ERR) {
            self.stop_with(PortIrq::TFES);
        } else if !self.registers.is_halted {
            self.registers.ci &= !(1 << slot);
        }
    }

    /// The device sends its registers.
    fn tell_registers(&mut self, interrupts: bool, dma: Dma<'_>) {
        let Some(drive) = &mut self.drive else { return };
        let task_file = *drive.task_file();
        self.registers.tfd = task_file.tfd();
        self.registers.signature_waits = false;
        let fis = fis::device_to_host(&task_file, interrupts);
        self.post(dma, received::DEVICE_TO_HOST, &fis);
        if interrupts {
            self.raise(PortIrq::DHRS);
        }
    }

    /// The device tells which queued commands have ended well.
    fn tell_queue_done(&mut self, dma: Dma<'_>) {
        let done = std::mem::take(&mut self.queue_done);
        if done == 0 {
            return;
        }
        self.registers.sact &= !done;
        self.registers.tfd = Status::GOOD.bits().into();
        let fis = fis::set_device_bits(Status::GOOD, 0, done);
        self.post(dma, received::SET_DEVICE_BITS, &fis);
        self.raise(PortIrq::SDBS);
    }

    /// A queued command has failed: the device gives up all of them, and keeps the reason for log 0x10.
    fn fail_queue(&mut self, dma: Dma<'_>) {
        self.tell_queue_done(dma);
        let Some(drive) = &mut self.drive else { return };
        let task_file = *drive.task_file();
        self.registers.tfd = task_file.tfd();
        let fis = fis::set_device_bits(task_file.status, task_file.error, 0);
        self.post(dma, received::SET_DEVICE_BITS, &fis);
        self.stop_with(PortIrq::SDBS | PortIrq::TFES);
    }
}
