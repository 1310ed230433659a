//! Page images (and originals, where a source can't be read again) by content hash.
