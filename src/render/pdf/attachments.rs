//! Files inside a PDF: attached to it, or what it is the cover of.

use std::os::raw::c_ulong;

use super::PdfDocument;
use super::strings::{one_line, utf16};
use crate::error::{Error, Result};
use crate::render::protocol::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS};
use crate::types::Attachment;

/// Files of one document that are looked at.
const MOST: i32 = 1_000;

/// The PDFs inside, as many as are read, each with a name of its own.
pub(super) fn documents(document: &PdfDocument) -> Vec<Attachment> {
    let mut documents: Vec<Attachment> = Vec::new();
    for (index, name) in names(document).into_iter().enumerate() {
        if !is_pdf(&name) || documents.len() >= MAX_ATTACHMENTS {
            continue;
        }
        let taken = |name: &str| documents.iter().any(|known| known.name == name);
        let numbered = (2..).map(|number| format!("{number}-{name}"));
        let name = std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name));
        documents.extend(name.map(|name| Attachment { index: index as u32, name }));
    }
    documents
}

/// Names of the files inside that are not read.
pub(super) fn left_out(document: &PdfDocument) -> Vec<String> {
    let mut read = 0;
    let is_read = |name: &String| {
        read += usize::from(is_pdf(name));
        is_pdf(name) && read <= MAX_ATTACHMENTS
    };
    let (_, left_out) = names(document).into_iter().partition::<Vec<String>, _>(is_read);
    left_out
}

/// # Errors
/// Permanent: there is no such file, it is damaged, or too large.
pub(super) fn bytes(document: &PdfDocument, index: u32) -> Result<Vec<u8>> {
    let library = document.library;
    // SAFETY: the document is open; the buffer has the size that it is passed with.
    unsafe {
        let attachment = library.FPDFDoc_GetAttachment(document.handle, index as i32);
        let mut size: c_ulong = 0;
        if attachment.is_null() || library.FPDFAttachment_GetFile(attachment, std::ptr::null_mut(), 0, &mut size) == 0 {
            return Err(Error::permanent("cannot be read: it is missing or damaged"));
        }
        if size as u64 > MAX_ATTACHMENT_BYTES {
            return Err(Error::permanent(format!(
                "is {size} bytes large, more than the {MAX_ATTACHMENT_BYTES} that are read"
            )));
        }
        let mut bytes = vec![0u8; size as usize];
        let mut written: c_ulong = 0;
        let read = library.FPDFAttachment_GetFile(attachment, bytes.as_mut_ptr().cast(), size, &mut written) != 0;
        if !read || written != size {
            return Err(Error::permanent("cannot be read: it is damaged"));
        }
        Ok(bytes)
    }
}

fn is_pdf(name: &str) -> bool {
    name.len() > 4 && name.to_ascii_lowercase().ends_with(".pdf")
}

/// Names of the files inside, without folders before them.
fn names(document: &PdfDocument) -> Vec<String> {
    let library = document.library;
    // SAFETY: the document is open; `utf16` passes a buffer of the size that it names.
    unsafe {
        let count = library.FPDFDoc_GetAttachmentCount(document.handle).clamp(0, MOST);
        let name = |index| {
            let attachment = library.FPDFDoc_GetAttachment(document.handle, index);
            if attachment.is_null() {
                return None;
            }
            let name = utf16(|buffer, size| library.FPDFAttachment_GetName(attachment, buffer.cast(), size));
            one_line(name?.rsplit(['/', '\\']).next()?)
        };
        (0..count).map(|index| name(index).unwrap_or_else(|| "a file without a name".into())).collect()
    }
}
