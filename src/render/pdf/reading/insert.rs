//! What stands beside the text of a page (values of form fields, comments) in its place among it.

use super::{Gap, Part, on_one_line};

/// Puts lines of words where they belong: behind what stands before them on their line, else behind what stands above them.
pub(in crate::render::pdf) fn insert(parts: &mut Vec<Part>, more: Vec<Part>) {
    let mut lines: Vec<Vec<Part>> = Vec::new();
    for part in more {
        match lines.last_mut() {
            Some(line) if part.gap != Gap::Line => line.push(part),
            _ => lines.push(vec![part]),
        }
    }
    for mut line in lines {
        let Some(first) = line.first_mut() else { continue };
        let place = first.rect;
        let beside = parts
            .iter()
            .rposition(|part| on_one_line(part.rect, place) && part.rect.right <= place.left + part.height());
        let above = parts.iter().rposition(|part| part.rect.bottom <= place.top + part.height() / 2.0);
        first.gap = if beside.is_some() { Gap::Space } else { Gap::Line };
        let at = beside.or(above).map_or(0, |at| at + 1);
        if let Some(next) = parts.get_mut(at).filter(|next| next.gap == Gap::None) {
            next.gap = Gap::Space;
        }
        parts.splice(at..at, line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn values_stand_behind_their_labels() {
        let mut parts = [line("Application", 0.1, 0.1), line("Name:", 0.1, 0.2), line("Remarks:", 0.1, 0.3)].concat();
        insert(
            &mut parts,
            [line("none at all", 0.3, 0.3), line("Ada Byron", 0.3, 0.2), line("above", 0.5, 0.0)].concat(),
        );
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["above", "Application", "Name:", "Ada", "Byron", "Remarks:", "none", "at", "all"]);
    }
}
