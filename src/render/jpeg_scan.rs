//! Whether the coded data of a JPEG can be read to their end (ITU-T T.81, sequential with Huffman codes, as nearly all are).
//!
//! Decoders fill what they cannot read with grey, or with what the noise happens to mean, and say nothing. Here only the codes are
//! followed: no coefficient is kept and no pixel made, which takes a small part of the time of decoding.

/// What may be missing of a scan, or stand behind it: encoders differ in the last lines and in what they pad with.
const MISSING_PERCENT: usize = 1;
const SURPLUS_PERCENT: usize = 2;
const SURPLUS_BYTES: usize = 256;

/// Whether parts of the data are not those that the encoder wrote. False where the coding is another.
pub(super) fn is_damaged(jpeg: &[u8]) -> bool {
    Jpeg { data: jpeg, at: 2, frame: None, codes: Default::default(), restart: 0 }.read().unwrap_or(false)
}

struct Jpeg<'a> {
    data: &'a [u8],
    at: usize,
    frame: Option<Frame>,
    /// By class (DC, AC) and number.
    codes: [[Option<Box<Codes>>; 4]; 2],
    /// Units between two restart marks; 0: there are none.
    restart: usize,
}

struct Frame {
    width: usize,
    height: usize,
    parts: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    across: usize,
    down: usize,
}

/// For each 16 bits the symbol of the code that they begin with, and its length; 0: there is none.
struct Codes(Vec<(u8, u8)>);

impl Jpeg<'_> {
    /// None where it is no JPEG that is known here, or its segments break off.
    fn read(mut self) -> Option<bool> {
        if !self.data.starts_with(&[0xff, 0xd8]) {
            return None;
        }
        loop {
            let marker = self.next_marker()?;
            if marker == 0xd9 {
                return Some(false);
            }
            let length = usize::from(u16::from_be_bytes(*self.data.get(self.at..)?.first_chunk()?));
            let segment = self.data.get(self.at + 2..self.at + length)?;
            self.at += length;
            match marker {
                0xc0 | 0xc1 => self.frame = Some(frame(segment)?),
                0xc4 => self.define_codes(segment)?,
                // progressive, lossless, arithmetic
                0xc2 | 0xc3 | 0xc5..=0xcf => return None,
                0xdd => self.restart = usize::from(u16::from_be_bytes(*segment.first_chunk()?)),
                0xda if self.scan_is_damaged(segment)? => return Some(true),
                _ => {}
            }
        }
    }

    /// The next one, and the place behind it.
    fn next_marker(&mut self) -> Option<u8> {
        let rest = self.data.get(self.at..)?;
        let found = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
        self.at += found + 2;
        Some(rest[found + 1])
    }

    fn define_codes(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&which, rest)) = segment.split_first() {
            let counts: &[u8; 16] = rest.first_chunk()?;
            let symbols = rest.get(16..16 + counts.iter().map(|count| usize::from(*count)).sum::<usize>())?;
            let codes = self.codes.get_mut(usize::from(which >> 4))?.get_mut(usize::from(which & 15))?;
            *codes = Some(Box::new(Codes::new(counts, symbols)?));
            segment = &rest[16 + symbols.len()..];
        }
        Some(())
    }

    fn scan_is_damaged(&mut self, header: &[u8]) -> Option<bool> {
        let frame = self.frame.as_ref()?;
        let count = usize::from(*header.first()?);
        let mut parts = Vec::new();
        for chosen in header.get(1..1 + 2 * count)?.chunks_exact(2) {
            let part = *frame.parts.iter().find(|part| part.id == chosen[0])?;
            let codes = |class: usize, number: u8| self.codes[class].get(usize::from(number))?.as_deref();
            parts.push((part, codes(0, chosen[1] >> 4)?, codes(1, chosen[1] & 15)?));
        }
        let most = |side: fn(&Component) -> usize| frame.parts.iter().map(side).max();
        let (across, down) = (most(|part| part.across)?, most(|part| part.down)?);
        // A component on its own is coded block by block, without those that only fill up a unit.
        let (units, blocks_of_a_unit) = match parts.as_slice() {
            [(part, ..)] => {
                let blocks = |pixels: usize, own: usize, most: usize| (pixels * own).div_ceil(most).div_ceil(8);
                let units = blocks(frame.width, part.across, across) * blocks(frame.height, part.down, down);
                (units, vec![(0, 1)])
            }
            parts => {
                let units = frame.width.div_ceil(8 * across) * frame.height.div_ceil(8 * down);
                (units, parts.iter().enumerate().map(|(at, (part, ..))| (at, part.across * part.down)).collect())
            }
        };
        let begin = self.at;
        let mut bits = Bits { data: self.data, at: begin, held: 0, count: 0 };
        for unit in 0..units {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 && !bits.pass_restart_mark() {
                return Some(true);
            }
            for &(part, blocks) in &blocks_of_a_unit {
                let (_, dc, ac) = parts[part];
                for _ in 0..blocks {
                    match bits.pass_block(dc, ac) {
                        Passed::Block => {}
                        Passed::End => return Some((units - unit) * 100 > MISSING_PERCENT * units),
                        Passed::Nonsense => return Some(true),
                    }
                }
            }
        }
        let end = bits.next_byte();
        self.at = end;
        self.next_marker()?;
        self.at -= 2;
        let surplus = self.at - end;
        Some(surplus > SURPLUS_BYTES && surplus * 100 > SURPLUS_PERCENT * (end - begin))
    }
}

/// None where lines are counted behind them (a height of 0), or sides make no sense.
fn frame(segment: &[u8]) -> Option<Frame> {
    let side = |at: usize| Some(usize::from(u16::from_be_bytes(*segment.get(at..)?.first_chunk()?)));
    let (height, width, count) = (side(1)?, side(3)?, usize::from(*segment.get(5)?));
    let parts: Vec<Component> = segment
        .get(6..6 + 3 * count)?
        .chunks_exact(3)
        .map(|part| Component { id: part[0], across: usize::from(part[1] >> 4), down: usize::from(part[1] & 15) })
        .collect();
    let fits = |part: &Component| (1..=4).contains(&part.across) && (1..=4).contains(&part.down);
    (width > 0 && height > 0 && !parts.is_empty() && parts.iter().all(fits)).then_some(Frame { width, height, parts })
}

impl Codes {
    /// The codes of each length, from 1 to 16, are consecutive numbers (T.81, Annex C).
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = vec![(0, 0); 1 << 16];
        let (mut next, mut symbols) = (0usize, symbols.iter());
        for (length, count) in (1u8..).zip(counts) {
            let span = 1 << (16 - length);
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                table.get_mut(next..next + span)?.fill((*symbol, length));
                next += span;
            }
        }
        Some(Self(table))
    }
}

enum Passed {
    Block,
    /// The data end, or a mark stands there.
    End,
    /// No encoder writes this.
    Nonsense,
}

/// The bits of a scan; those behind its end are zeros, and `count` is negative once they were used.
struct Bits<'a> {
    data: &'a [u8],
    /// The next byte that is not in `held`.
    at: usize,
    /// The next bits, from the highest one on.
    held: u64,
    count: i32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.data.get(self.at) else { return };
            if byte == 0xff {
                match self.data.get(self.at + 1) {
                    Some(0) => self.at += 1,
                    _ => return,
                }
            }
            if self.count >= 0 {
                self.held |= u64::from(byte) << (56 - self.count);
            }
            self.at += 1;
            self.count += 8;
        }
    }

    fn pass(&mut self, bits: u8) {
        self.held <<= bits;
        self.count -= i32::from(bits);
    }

    /// The symbol at hand. Its bits and the ones that it stands before take at most 32.
    fn symbol(&mut self, codes: &Codes) -> Option<u8> {
        if self.count < 32 {
            self.fill();
        }
        let (symbol, length) = codes.0[(self.held >> 48) as usize];
        self.pass(length);
        (length > 0).then_some(symbol)
    }

    fn pass_block(&mut self, dc: &Codes, ac: &Codes) -> Passed {
        let whole = self.pass_coefficients(dc, ac);
        match whole {
            _ if self.count < 0 => Passed::End,
            // Zeros that stand for what is missing need not be a code.
            None if self.count < 16 => Passed::End,
            None => Passed::Nonsense,
            Some(()) => Passed::Block,
        }
    }

    fn pass_coefficients(&mut self, dc: &Codes, ac: &Codes) -> Option<()> {
        let bits = self.symbol(dc).filter(|bits| *bits <= 15)?;
        self.pass(bits);
        let mut at = 1;
        while at < 64 {
            let symbol = self.symbol(ac)?;
            let (zeros, bits) = (symbol >> 4, symbol & 15);
            match (zeros, bits) {
                (15, 0) => at += 16,
                (_, 0) => return Some(()),
                _ => {
                    at += zeros + 1;
                    self.pass(bits);
                }
            }
        }
        (at == 64).then_some(())
    }

    /// Passes over the mark between two intervals; false where it does not stand there.
    fn pass_restart_mark(&mut self) -> bool {
        let at = self.next_byte();
        let found = self.data.get(at..at + 2).is_some_and(|pair| pair[0] == 0xff && (0xd0..=0xd7).contains(&pair[1]));
        (self.at, self.held, self.count) = (at + 2, 0, 0);
        found
    }

    /// The first byte none of whose bits was used.
    fn next_byte(&self) -> usize {
        let mut at = self.at;
        for _ in 0..self.count.max(0) / 8 {
            // behind a stuffed byte
            at -= if at >= 2 && self.data[at - 1] == 0 && self.data[at - 2] == 0xff { 2 } else { 1 };
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::*;

    /// A page with lines, 160 x 200.
    fn page() -> Vec<u8> {
        let grey = |at: usize| -> u8 {
            let (x, y) = (at % 160, at / 160);
            if y % 12 < 6 && (x * 7919 + y / 12 * 104_729) % 13 < 6 { 30 } else { 240 }
        };
        (0..160 * 200).flat_map(|at| [grey(at), grey(at), grey(at).saturating_sub((at % 160) as u8)]).collect()
    }

    fn jpeg(prepare: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 85);
        prepare(&mut encoder);
        encoder.encode(&page(), 160, 200, ColorType::Rgb).unwrap();
        bytes
    }

    fn kinds() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("plain", jpeg(|_| {})),
            ("halved colours", jpeg(|encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2))),
            ("restart marks", jpeg(|encoder| encoder.set_restart_interval(7))),
            ("its own codes", jpeg(|encoder| encoder.set_optimized_huffman_tables(true))),
        ]
    }

    #[test]
    fn whole_files_are_whole() {
        for (what, jpeg) in kinds() {
            assert!(!is_damaged(&jpeg), "{what}");
            // Some programs pad, some leave out the mark of the end.
            assert!(!is_damaged(&jpeg[..jpeg.len() - 2]), "{what}");
            assert!(!is_damaged(&[jpeg.as_slice(), &[0; 5000]].concat()), "{what}");
        }
    }

    #[test]
    fn damage_is_seen_wherever_it_lies() {
        for (what, jpeg) in kinds() {
            let (length, end) = (jpeg.len(), &jpeg[jpeg.len() - 2..]);
            for third in [length / 2, length * 2 / 3] {
                let mut zeros = jpeg.clone();
                zeros[third..length - 2].fill(0);
                assert!(is_damaged(&zeros), "{what}: zeros from {third}");
                let mut noise = jpeg.clone();
                let hole = third..(third + 300).min(length - 20);
                noise[hole.clone()].iter_mut().zip(hole).for_each(|(byte, at)| *byte = (at * 7919 % 251) as u8);
                assert!(is_damaged(&noise), "{what}: noise from {third}");
                assert!(is_damaged(&[&jpeg[..third], end].concat()), "{what}: cut at {third}, with its end");
                assert!(is_damaged(&[&jpeg[..third], &jpeg[third + 200..]].concat()), "{what}: a piece is missing");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_blamed() {
        let progressive = jpeg(|encoder| encoder.set_progressive(true));
        for unknown in [&progressive[..progressive.len() / 2], b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\x02", &[0xff; 99]]
        {
            assert!(!is_damaged(unknown));
        }
    }
}
