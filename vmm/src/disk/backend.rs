//! A disk as devices see it: requests go in, completions come out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aero_bus::block::{BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest};
use aero_bus::{Clock, Timer, Wake};
use serde::{Deserialize, Serialize};

use super::image::Image;
use super::overlay::SavedBlocks;
use super::store::StoreError;

/// The largest request that is carried out: what a SATA command of 65536 sectors asks for.
const MAX_REQUEST: u64 = 32 << 20;

/// What a request takes in deterministic mode: a fixed time, and a time for each byte.
const LATENCY_NANOS: u64 = 50_000;
const BYTES_PER_NANO: u64 = 1;

/// When requests are carried out.
#[derive(Clone)]
pub enum DiskMode {
    /// By a thread of the disk's own, while the guest runs on.
    #[cfg(feature = "native")]
    Worker,
    /// At once, by whoever submits them.
    Inline,
    /// At a guest time that depends on the request alone.
    Deterministic(Clock),
}

/// A disk, or a CD drive with or without a medium. Its [handles](Self::handle) share it.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    medium: Arc<Medium>,
    mode: DiskMode,
    wake: Arc<Wake>,
    handles: Mutex<Vec<Arc<Queue>>>,
    #[cfg(feature = "native")]
    worker: Option<worker::Worker>,
}

/// What is in the drive.
struct Medium {
    image: Mutex<Option<Box<dyn Image>>>,
    size: AtomicU64,
    read_only: AtomicBool,
    generation: AtomicU32,
    /// Requests that failed on the host; the first few are logged.
    failures: AtomicU32,
}

/// One handle's requests and completions.
#[derive(Default)]
struct Queue {
    /// Rises when all requests are forgotten.
    epoch: AtomicU32,
    completed: Mutex<VecDeque<(u32, BlockCompletion)>>,
    /// Deterministic mode: requests with the guest time at which they are carried out.
    waiting: Mutex<VecDeque<(u64, BlockRequest)>>,
    /// After a restore: when the requests that were in flight are to be carried out.
    due: Mutex<Vec<PendingRequest>>,
    /// Deterministic mode: the next moment at which a request is ready to be carried out.
    timer: Option<Timer>,
}

impl Queue {
    /// Arms the timer for the next request that is not ready yet. Those that are wait for
    /// [`BlockBackend::poll`]: of the device that is ticked, or of firmware when the guest asks it.
    fn arm(&self) {
        let Some(timer) = &self.timer else { return };
        let now = timer.clock().now();
        match lock(&self.waiting).iter().find(|(due, _)| *due > now) {
            Some((due, _)) => timer.arm(*due),
            None => timer.disarm(),
        }
    }
}

/// A request in flight when a snapshot was taken. The device submits it again; here is only when it
/// was to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingRequest {
    handle: u32,
    id: u64,
    due: u64,
}

/// A disk's part of a machine's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedDisk {
    size: u64,
    blocks: Option<SavedBlocks>,
    pending: Vec<PendingRequest>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Medium {
    fn insert(&self, image: Option<Box<dyn Image>>) {
        let mut slot = lock(&self.image);
        self.size.store(image.as_ref().map_or(0, |i| i.size()), Ordering::Release);
        self.read_only.store(image.as_ref().is_none_or(|i| i.is_read_only()), Ordering::Release);
        *slot = image;
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn perform(&self, request: BlockRequest) -> BlockCompletion {
        let id = request.id;
        let result = match lock(&self.image).as_deref_mut() {
            None => Err(BlockError::NoMedium),
            Some(image) => perform(image, request.op),
        };
        if let Err(BlockError::Host(message)) = &result
            && self.failures.fetch_add(1, Ordering::Relaxed) < 8
        {
            log::error!("disk: {message}");
        }
        BlockCompletion { id, result }
    }
}

fn perform(image: &mut dyn Image, op: BlockOp) -> Result<Vec<u8>, BlockError> {
    let size = image.size();
    let check = |offset: u64, len: u64| match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(BlockError::OutOfRange { offset, len }),
    };
    let check_transfer = |offset: u64, len: u64| match len {
        0..=MAX_REQUEST => check(offset, len),
        _ => Err(BlockError::Host(format!("a request of {len} bytes is too large"))),
    };
    let error = |e| match e {
        StoreError::ReadOnly => BlockError::ReadOnly,
        other => BlockError::Host(other.to_string()),
    };
    match op {
        BlockOp::Read { offset, len } => {
            check_transfer(offset, len.into())?;
            let mut data = vec![0; len as usize];
            image.read(offset, &mut data).map_err(error)?;
            Ok(data)
        }
        BlockOp::Write { .. } | BlockOp::Discard { .. } if image.is_read_only() => {
            Err(BlockError::ReadOnly)
        }
        BlockOp::Write { offset, data } => {
            check_transfer(offset, data.len() as u64)?;
            image.write(offset, &data).map(|()| Vec::new()).map_err(error)
        }
        BlockOp::Flush => image.flush().map(|()| Vec::new()).map_err(error),
        BlockOp::Discard { offset, len } => {
            check(offset, len)?;
            image.discard(offset, len).map(|()| Vec::new()).map_err(error)
        }
    }
}

impl Disk {
    /// A disk with these contents, or a CD drive that is empty at first. `wake` is signalled at each
    /// completion.
    pub fn new(image: Option<Box<dyn Image>>, mode: DiskMode, wake: Arc<Wake>) -> Self {
        let medium = Arc::new(Medium {
            image: Mutex::new(None),
            size: AtomicU64::new(0),
            read_only: AtomicBool::new(true),
            generation: AtomicU32::new(0),
            failures: AtomicU32::new(0),
        });
        medium.insert(image);
        medium.generation.store(0, Ordering::Release);
        #[cfg(feature = "native")]
        let worker = matches!(mode, DiskMode::Worker)
            .then(|| worker::Worker::new(medium.clone(), wake.clone()));
        Self(Arc::new(Shared {
            medium,
            mode,
            wake,
            handles: Mutex::default(),
            #[cfg(feature = "native")]
            worker,
        }))
    }

    /// A handle for one device.
    pub fn handle(&self) -> DiskHandle {
        let timer = match &self.0.mode {
            DiskMode::Deterministic(clock) => Some(clock.timer()),
            _ => None,
        };
        let queue = Arc::new(Queue { timer, ..Queue::default() });
        lock(&self.0.handles).push(queue.clone());
        DiskHandle { disk: self.clone(), queue }
    }

    /// A deadline may have passed. To be called when the devices have been ticked.
    pub fn tick(&self) {
        for queue in &*lock(&self.0.handles) {
            let passed = queue.timer.as_ref().and_then(Timer::take_expired);
            if passed.is_some() {
                queue.arm();
            }
        }
    }

    /// Bytes of the medium; 0 without one.
    pub fn size(&self) -> u64 {
        self.0.medium.size.load(Ordering::Acquire)
    }

    /// Puts another medium into the drive, or takes it out.
    pub fn change_medium(&self, image: Option<Box<dyn Image>>) {
        self.0.medium.insert(image);
        self.0.wake.signal();
    }

    /// For a machine's snapshot. Requests that are being carried out are waited for.
    pub fn save(&self) -> SavedDisk {
        let mut pending = Vec::new();
        for (handle, queue) in (0..).zip(&*lock(&self.0.handles)) {
            let waiting = lock(&queue.waiting);
            pending.extend(waiting.iter().map(|(due, r)| PendingRequest {
                handle,
                id: r.id,
                due: *due,
            }));
            // What the device has not asked for again yet since a restore.
            pending.extend(lock(&queue.due).iter().cloned());
        }
        #[cfg(feature = "native")]
        if let Some(worker) = &self.0.worker {
            worker.drain();
        }
        let blocks = lock(&self.0.medium.image).as_ref().and_then(|image| image.save());
        SavedDisk { size: self.size(), blocks, pending }
    }

    /// Takes back what [`save`](Self::save) gave. To be called before the devices are restored.
    pub fn restore(&self, saved: SavedDisk) -> Result<(), String> {
        if saved.size != self.size() {
            let (now, then) = (self.size(), saved.size);
            return Err(format!("the disk has {now} bytes, and had {then} in the snapshot"));
        }
        if let Some(blocks) = saved.blocks {
            let mut image = lock(&self.0.medium.image);
            image.as_mut().ok_or("the drive is empty")?.restore(blocks)?;
        }
        for (handle, queue) in (0..).zip(&*lock(&self.0.handles)) {
            *lock(&queue.due) =
                saved.pending.iter().filter(|p| p.handle == handle).cloned().collect();
        }
        Ok(())
    }
}

/// One device's end of a [`Disk`].
pub struct DiskHandle {
    disk: Disk,
    queue: Arc<Queue>,
}

impl DiskHandle {
    fn complete(&self, epoch: u32, completion: BlockCompletion) {
        lock(&self.queue.completed).push_back((epoch, completion));
        self.disk.0.wake.signal();
    }

    /// Deterministic mode: when `request` ends. One after the other, as from one disk.
    fn due(&self, clock: &Clock, request: &BlockRequest) -> u64 {
        let mut saved = lock(&self.queue.due);
        if let Some(at) = saved.iter().position(|p| p.id == request.id) {
            return saved.swap_remove(at).due;
        }
        // The first new request: whatever was saved and not asked for again never will be.
        saved.clear();
        drop(saved);
        let bytes = match &request.op {
            BlockOp::Read { len, .. } => u64::from(*len),
            BlockOp::Write { data, .. } => data.len() as u64,
            BlockOp::Flush | BlockOp::Discard { .. } => 0,
        };
        let before = lock(&self.queue.waiting).back().map_or(0, |(due, _)| *due);
        clock.now().max(before).saturating_add(LATENCY_NANOS + bytes / BYTES_PER_NANO)
    }
}

impl BlockBackend for DiskHandle {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn is_read_only(&self) -> bool {
        self.disk.0.medium.read_only.load(Ordering::Acquire)
    }

    fn submit(&mut self, request: BlockRequest) {
        let epoch = self.queue.epoch.load(Ordering::Acquire);
        match &self.disk.0.mode {
            #[cfg(feature = "native")]
            DiskMode::Worker => {
                if let Some(worker) = &self.disk.0.worker {
                    worker.send(self.queue.clone(), epoch, request);
                }
            }
            DiskMode::Inline => {
                let completion = self.disk.0.medium.perform(request);
                self.complete(epoch, completion);
            }
            DiskMode::Deterministic(clock) => {
                let due = self.due(clock, &request);
                let mut waiting = lock(&self.queue.waiting);
                let at = waiting.partition_point(|(other, _)| *other <= due);
                waiting.insert(at, (due, request));
                drop(waiting);
                self.queue.arm();
            }
        }
    }

    fn poll(&mut self) -> Option<BlockCompletion> {
        if let DiskMode::Deterministic(clock) = &self.disk.0.mode {
            let mut waiting = lock(&self.queue.waiting);
            let request = waiting.pop_front_if(|(due, _)| *due <= clock.now());
            drop(waiting);
            let (_, request) = request?;
            self.queue.arm();
            return Some(self.disk.0.medium.perform(request));
        }
        let epoch = self.queue.epoch.load(Ordering::Acquire);
        let mut completed = lock(&self.queue.completed);
        while let Some((of, completion)) = completed.pop_front() {
            if of == epoch {
                return Some(completion);
            }
        }
        None
    }

    fn cancel_all(&mut self) {
        self.queue.epoch.fetch_add(1, Ordering::AcqRel);
        lock(&self.queue.completed).clear();
        lock(&self.queue.waiting).clear();
        self.queue.arm();
    }

    fn media_generation(&self) -> u32 {
        self.disk.0.medium.generation.load(Ordering::Acquire)
    }
}

#[cfg(feature = "native")]
mod worker {
    //! The thread that does a disk's work.

    use std::sync::mpsc;
    use std::thread::JoinHandle;

    use super::*;

    enum Job {
        Perform(Arc<Queue>, u32, BlockRequest),
        /// Tell when everything before this is done.
        Drain(mpsc::SyncSender<()>),
    }

    pub(super) struct Worker {
        jobs: Option<mpsc::Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Worker {
        pub fn new(medium: Arc<Medium>, wake: Arc<Wake>) -> Self {
            let (jobs, receiver) = mpsc::channel();
            let thread = std::thread::Builder::new()
                .name("disk".to_owned())
                .spawn(move || serve(&receiver, &medium, &wake))
                .expect("the host can start a thread");
            Self { jobs: Some(jobs), thread: Some(thread) }
        }

        pub fn send(&self, queue: Arc<Queue>, epoch: u32, request: BlockRequest) {
            if let Some(jobs) = &self.jobs {
                // Fails only after a panic in the thread, which has been reported.
                let _ = jobs.send(Job::Perform(queue, epoch, request));
            }
        }

        pub fn drain(&self) {
            let (done, wait) = mpsc::sync_channel(1);
            if let Some(jobs) = &self.jobs
                && jobs.send(Job::Drain(done)).is_ok()
            {
                let _ = wait.recv();
            }
        }
    }

    impl Drop for Worker {
        /// Everything that the guest has written gets written.
        fn drop(&mut self) {
            self.jobs = None;
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        }
    }

    fn serve(jobs: &mpsc::Receiver<Job>, medium: &Medium, wake: &Wake) {
        for job in jobs {
            match job {
                Job::Perform(queue, epoch, request) => {
                    let completion = medium.perform(request);
                    lock(&queue.completed).push_back((epoch, completion));
                    wake.signal();
                }
                Job::Drain(done) => {
                    let _ = done.send(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{MemoryOverlay, MemoryStore, Raw};

    fn image(bytes: usize) -> Option<Box<dyn Image>> {
        let store = MemoryStore::new((0..bytes).map(|i| (i / 512) as u8).collect());
        let raw = Raw::new(Box::new(store.read_only()), false).unwrap();
        Some(Box::new(MemoryOverlay::new(Box::new(raw))))
    }

    fn read(id: u64, offset: u64, len: u32) -> BlockRequest {
        BlockRequest { id, op: BlockOp::Read { offset, len } }
    }

    #[test]
    fn a_deterministic_request_ends_at_a_guest_time_that_depends_on_it_alone() {
        let clock = Clock::manual();
        let wake = Arc::new(Wake::new());
        let disk = Disk::new(image(8192), DiskMode::Deterministic(clock.clone()), wake);
        let mut handle = disk.handle();
        clock.advance_to(1000);
        handle.submit(read(1, 512, 512));
        handle.submit(read(2, 0, 512));
        assert_eq!(handle.poll(), None);
        let first = clock.next_deadline().unwrap();
        assert_eq!(first, 1000 + LATENCY_NANOS + 512);
        clock.advance_to(first);
        assert_eq!(handle.poll().unwrap().result.unwrap(), [1; 512]);
        assert_eq!(handle.poll(), None);
        clock.advance_to(clock.next_deadline().unwrap());
        assert_eq!(handle.poll().unwrap().id, 2);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn a_request_that_nobody_polls_for_does_not_stay_due() {
        let clock = Clock::manual();
        let disk = Disk::new(image(8192), DiskMode::Deterministic(clock.clone()), Arc::default());
        let mut handle = disk.handle();
        handle.submit(read(1, 0, 512));
        handle.submit(read(2, 0, 512));
        let first = clock.next_deadline().unwrap();
        clock.advance_to(first);
        disk.tick();
        assert!(clock.next_deadline().unwrap() > first);
        clock.advance_to(clock.next_deadline().unwrap());
        disk.tick();
        assert_eq!(clock.next_deadline(), None);
        assert_eq!([handle.poll().unwrap().id, handle.poll().unwrap().id], [1, 2]);
    }

    #[test]
    fn a_restored_disk_ends_its_requests_when_they_would_have_ended() {
        let clock = Clock::manual();
        let mode = DiskMode::Deterministic(clock.clone());
        let disk = Disk::new(image(8192), mode.clone(), Arc::default());
        let mut handle = disk.handle();
        handle.submit(BlockRequest { id: 7, op: BlockOp::Write { offset: 0, data: vec![9; 512] } });
        let due = clock.next_deadline();
        clock.advance_to(20_000);
        let saved = disk.save();
        drop(handle);

        let disk = Disk::new(image(8192), mode, Arc::default());
        let mut handle = disk.handle();
        disk.restore(saved.clone()).unwrap();
        handle.cancel_all();
        assert_eq!(disk.save(), saved, "not asked for again yet");
        handle.submit(BlockRequest { id: 7, op: BlockOp::Write { offset: 0, data: vec![9; 512] } });
        assert_eq!(clock.next_deadline(), due);
        assert_eq!(disk.save(), saved);
    }

    #[cfg(feature = "native")]
    #[test]
    fn the_worker_completes_and_signals_and_forgets_what_is_cancelled() {
        let wake = Arc::new(Wake::new());
        let disk = Disk::new(image(8192), DiskMode::Worker, wake.clone());
        let (mut a, mut b) = (disk.handle(), disk.handle());
        a.submit(read(1, 0, 512));
        a.cancel_all();
        b.submit(BlockRequest { id: 2, op: BlockOp::Write { offset: 512, data: vec![7; 512] } });
        a.submit(read(3, 512, 512));
        disk.save();
        assert!(wake.is_signalled());
        assert_eq!(b.poll().unwrap().id, 2);
        let completion = a.poll().unwrap();
        assert_eq!((completion.id, completion.result.unwrap()[0]), (3, 7));
        assert_eq!(a.poll(), None);
    }

    #[test]
    fn requests_that_do_not_fit_are_refused_one_by_one() {
        let disk = Disk::new(image(8192), DiskMode::Inline, Arc::default());
        let mut handle = disk.handle();
        handle.submit(read(1, 8192, 512));
        handle.submit(read(2, u64::MAX - 100, 512));
        handle.submit(read(3, 0, u32::MAX));
        for _ in 0..3 {
            assert!(handle.poll().unwrap().result.is_err());
        }
    }

    #[test]
    fn an_empty_drive_says_so_until_a_medium_is_put_in() {
        let drive = Disk::new(None, DiskMode::Inline, Arc::default());
        let mut handle = drive.handle();
        assert_eq!((handle.size(), handle.media_generation()), (0, 0));
        handle.submit(read(1, 0, 512));
        assert_eq!(handle.poll().unwrap().result, Err(BlockError::NoMedium));
        drive.change_medium(image(4096));
        assert_eq!((handle.size(), handle.media_generation()), (4096, 1));
    }
}
