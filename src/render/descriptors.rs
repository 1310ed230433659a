//! Open files that the pool hands to a worker: they travel beside the bytes of a Unix socket (`SCM_RIGHTS`), so a worker
//! never opens a file by its name.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Most descriptors that are taken from one message; the pool sends one at most.
const MAX_DESCRIPTORS: usize = 4;
/// Room for the control message of [`MAX_DESCRIPTORS`] descriptors, on every system that Quire runs on.
const CONTROL_BYTES: usize = 64;
const DESCRIPTOR_BYTES: u32 = size_of::<RawFd>() as u32;

/// Aligned as control messages have to be.
#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Writes all of `bytes`; `descriptor` arrives with the first of them.
pub(super) async fn send_all(
    socket: &UnixStream,
    bytes: &[u8],
    mut descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = socket.async_io(Interest::WRITABLE, || send(socket.as_fd(), rest, descriptor)).await?;
        rest = &rest[sent..];
        descriptor = None;
    }
    Ok(())
}

/// One `sendmsg`: the number of bytes that were taken, the descriptor with them.
fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = Control([0; CONTROL_BYTES]);
    // SAFETY: zeroes are an empty message. Everything it points to outlives the call, which only reads it. The control
    // buffer is aligned and has room for a header and a descriptor, so that the first header is not null.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if let Some(descriptor) = descriptor {
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(DESCRIPTOR_BYTES) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(DESCRIPTOR_BYTES) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
        }
        libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The worker's end of the socket: reads bytes, and keeps the descriptors that come with them.
pub(super) struct DescriptorReader {
    socket: OwnedFd,
    received: VecDeque<OwnedFd>,
}

impl DescriptorReader {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, received: VecDeque::new() }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The oldest descriptor that has come and was not taken yet.
    pub(super) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.received.pop_front()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut control = Control([0; CONTROL_BYTES]);
        #[cfg(target_os = "linux")]
        let flags = libc::MSG_CMSG_CLOEXEC;
        // A worker starts no programs.
        #[cfg(not(target_os = "linux"))]
        let flags = 0;
        // SAFETY: everything that the message points to outlives the call and has the length it names. The kernel filled in
        // the headers that are walked, each with as many descriptors as its length says; they are ours from here on.
        unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(DESCRIPTOR_BYTES * MAX_DESCRIPTORS as u32) as _;
            let read = libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, flags);
            let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
            let mut header = libc::CMSG_FIRSTHDR(&message);
            while !header.is_null() {
                if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                    let data = libc::CMSG_DATA(header).cast::<RawFd>();
                    let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                    for index in 0..bytes / size_of::<RawFd>() {
                        self.received.push_back(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                    }
                }
                header = libc::CMSG_NXTHDR(&message, header);
            }
            Ok(read)
        }
    }
}

impl Read for DescriptorReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_descriptor_arrives_with_its_message() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        let mut reader = DescriptorReader::new(theirs.into());
        let mut document = tempfile::tempfile().unwrap();
        document.write_all(b"what it says").unwrap();

        send_all(&ours, b"first", None).await.unwrap();
        send_all(&ours, b"second", Some(document.as_fd())).await.unwrap();
        send_all(&ours, b"third", None).await.unwrap();
        drop(ours);
        let mut bytes = [0; 5];
        reader.read_exact(&mut bytes).unwrap();
        assert!(&bytes == b"first" && reader.take_descriptor().is_none());
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "secondthird");
        let received = File::from(reader.take_descriptor().unwrap());
        let mut said = [0; 12];
        std::os::unix::fs::FileExt::read_exact_at(&received, &mut said, 0).unwrap();
        assert_eq!(&said, b"what it says");
        assert!(reader.take_descriptor().is_none());
    }
}
