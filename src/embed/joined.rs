//! The values of several pages, one behind the other, as a graph takes them.

use std::sync::Arc;

/// Pages joined for one run. A page that stays alone is not copied.
pub(super) struct Joined<P, T> {
    pages: Vec<Arc<P>>,
    /// Empty until there is a second page.
    values: Vec<T>,
}

impl<P, T> Default for Joined<P, T> {
    fn default() -> Self {
        Self { pages: Vec::new(), values: Vec::new() }
    }
}

impl<P: AsRef<[T]>, T: Copy> Joined<P, T> {
    pub fn push(&mut self, page: Arc<P>) {
        if let [first] = self.pages.as_slice() {
            self.values.extend_from_slice(P::as_ref(first));
        }
        if !self.pages.is_empty() {
            self.values.extend_from_slice(P::as_ref(&page));
        }
        self.pages.push(page);
    }

    pub fn pages(&self) -> &[Arc<P>] {
        &self.pages
    }

    /// `[pages, values of a page]`.
    pub fn values(&self) -> &[T] {
        match self.pages.as_slice() {
            [alone] => P::as_ref(alone),
            _ => &self.values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_the_order_of_the_pages_and_one_page_is_not_copied() {
        let mut joined = Joined::<Vec<u8>, u8>::default();
        assert!(joined.values().is_empty());
        let first = Arc::new(vec![1, 2]);
        joined.push(first.clone());
        assert_eq!(joined.values().as_ptr(), first.as_ptr());
        joined.push(Arc::new(vec![3, 4]));
        joined.push(Arc::new(vec![5, 6]));
        assert_eq!((joined.values(), joined.pages().len()), (&[1, 2, 3, 4, 5, 6][..], 3));
    }
}
