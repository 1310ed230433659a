//! Compressed copies in the server's terms, and back. Each word of ours stands beside the server's in a table.
#![expect(deprecated, reason = "servers before 1.19 know no other words for where data lies")]

use qdrant_client::qdrant::binary_quantization_query_encoding::{Setting, Variant};
use qdrant_client::qdrant::quantization_config::Quantization as ServerKind;
use qdrant_client::qdrant::{
    BinaryQuantization, BinaryQuantizationEncoding, BinaryQuantizationQueryEncoding, CompressionRatio, Memory,
    ProductQuantization, QuantizationConfig, QuantizationType, ScalarQuantization, TurboQuantBitSize,
    TurboQuantization,
};

use crate::types::{BinaryEncoding, BinaryQueryEncoding, MemoryTier, ProductRatio, Quantization, TurboBits};

/// `tier`: where the copies lie, instead of what the older word says.
pub(super) fn to_server(quantization: Quantization, tier: Option<MemoryTier>) -> QuantizationConfig {
    let memory = tier.map(to_tier);
    let always_ram = |in_memory| tier.is_none().then_some(in_memory);
    let kind = match quantization {
        Quantization::Scalar { quantile, in_memory } => ServerKind::Scalar(ScalarQuantization {
            r#type: QuantizationType::Int8.into(),
            quantile,
            always_ram: always_ram(in_memory),
            memory,
        }),
        Quantization::Product { ratio, in_memory } => ServerKind::Product(ProductQuantization {
            compression: pair(&RATIOS, &ratio).into(),
            always_ram: always_ram(in_memory),
            memory,
        }),
        Quantization::Binary { encoding, query_encoding, in_memory } => ServerKind::Binary(BinaryQuantization {
            always_ram: always_ram(in_memory),
            memory,
            encoding: Some(pair(&ENCODINGS, &encoding).into()),
            query_encoding: query_encoding.map(|encoding| BinaryQuantizationQueryEncoding {
                variant: Some(Variant::Setting(pair(&QUERY_ENCODINGS, &encoding).into())),
            }),
        }),
        Quantization::Turbo { bits, in_memory } => ServerKind::Turboquant(TurboQuantization {
            always_ram: always_ram(in_memory),
            memory,
            bits: Some(pair(&BITS, &bits).into()),
        }),
    };
    QuantizationConfig { quantization: Some(kind) }
}

const RATIOS: [(ProductRatio, CompressionRatio); 5] = [
    (ProductRatio::X4, CompressionRatio::X4),
    (ProductRatio::X8, CompressionRatio::X8),
    (ProductRatio::X16, CompressionRatio::X16),
    (ProductRatio::X32, CompressionRatio::X32),
    (ProductRatio::X64, CompressionRatio::X64),
];
const ENCODINGS: [(BinaryEncoding, BinaryQuantizationEncoding); 3] = [
    (BinaryEncoding::OneBit, BinaryQuantizationEncoding::OneBit),
    (BinaryEncoding::OneAndHalfBits, BinaryQuantizationEncoding::OneAndHalfBits),
    (BinaryEncoding::TwoBits, BinaryQuantizationEncoding::TwoBits),
];
const QUERY_ENCODINGS: [(BinaryQueryEncoding, Setting); 3] = [
    (BinaryQueryEncoding::Binary, Setting::Binary),
    (BinaryQueryEncoding::Scalar4Bits, Setting::Scalar4Bits),
    (BinaryQueryEncoding::Scalar8Bits, Setting::Scalar8Bits),
];
const BITS: [(TurboBits, TurboQuantBitSize); 5] = [
    (TurboBits::Bits1, TurboQuantBitSize::Bits1),
    (TurboBits::Bits1_5, TurboQuantBitSize::Bits15),
    (TurboBits::Bits2, TurboQuantBitSize::Bits2),
    (TurboBits::Bits4, TurboQuantBitSize::Bits4),
    (TurboBits::Bits8, TurboQuantBitSize::Bits8),
];

const TIERS: [(MemoryTier, Memory); 3] =
    [(MemoryTier::Cold, Memory::Cold), (MemoryTier::Cached, Memory::Cached), (MemoryTier::Pinned, Memory::Pinned)];

/// A tier as the server numbers it.
pub(super) fn to_tier(tier: MemoryTier) -> i32 {
    pair(&TIERS, &tier).into()
}

/// None, where it is no tier that we know.
pub(super) fn from_tier(number: Option<i32>) -> Option<MemoryTier> {
    ours(&TIERS, number?)
}

/// The other side's word for ours. Every word of ours stands in its table: a test says so.
fn pair<A: PartialEq, B: Copy>(table: &[(A, B)], ours: &A) -> B {
    table.iter().find(|(known, _)| known == ours).map_or(table[0].1, |(_, theirs)| *theirs)
}

/// Our word for the other side's number.
fn ours<A: Copy, B: Copy + Into<i32>>(table: &[(A, B)], theirs: i32) -> Option<A> {
    table.iter().find(|(_, known)| (*known).into() == theirs).map(|(ours, _)| *ours)
}

/// Never evicted.
fn lies_in_memory(always_ram: Option<bool>, memory: Option<i32>) -> bool {
    always_ram.unwrap_or(memory == Some(Memory::Pinned.into()))
}

/// What a server says of copies, in our terms; None if they are none that Quire makes.
pub(super) fn from_server(config: QuantizationConfig) -> Option<Quantization> {
    Some(match config.quantization? {
        ServerKind::Scalar(ScalarQuantization { quantile, always_ram, memory, .. }) => {
            Quantization::Scalar { quantile, in_memory: lies_in_memory(always_ram, memory) }
        }
        ServerKind::Product(ProductQuantization { compression, always_ram, memory }) => {
            Quantization::Product { ratio: ours(&RATIOS, compression)?, in_memory: lies_in_memory(always_ram, memory) }
        }
        ServerKind::Binary(BinaryQuantization { always_ram, encoding, query_encoding, memory }) => {
            Quantization::Binary {
                encoding: encoding.map_or(Some(BinaryEncoding::default()), |number| ours(&ENCODINGS, number))?,
                query_encoding: match query_encoding.and_then(|encoding| encoding.variant) {
                    Some(Variant::Setting(number)) if number != i32::from(Setting::Default) => {
                        Some(ours(&QUERY_ENCODINGS, number)?)
                    }
                    _ => None,
                },
                in_memory: lies_in_memory(always_ram, memory),
            }
        }
        ServerKind::Turboquant(TurboQuantization { always_ram, bits, memory }) => Quantization::Turbo {
            bits: bits.map_or(Some(TurboBits::Bits4), |number| ours(&BITS, number))?,
            in_memory: lies_in_memory(always_ram, memory),
        },
    })
}

/// The tier that a server names for the copies.
pub(super) fn tier_of(config: &QuantizationConfig) -> Option<MemoryTier> {
    from_tier(match config.quantization.as_ref()? {
        ServerKind::Scalar(scalar) => scalar.memory,
        ServerKind::Product(product) => product.memory,
        ServerKind::Binary(binary) => binary.memory,
        ServerKind::Turboquant(turbo) => turbo.memory,
    })
}

/// Every word of ours.
#[cfg(test)]
pub(super) fn every() -> Vec<Quantization> {
    let mut all = vec![
        Quantization::Scalar { quantile: Some(0.99), in_memory: true },
        Quantization::Scalar { quantile: None, in_memory: false },
    ];
    let in_memory = true;
    all.extend(RATIOS.map(|(ratio, _)| Quantization::Product { ratio, in_memory }));
    for (encoding, _) in ENCODINGS {
        all.push(Quantization::Binary { encoding, query_encoding: None, in_memory });
        all.extend(QUERY_ENCODINGS.map(|(query, _)| Quantization::Binary {
            encoding,
            query_encoding: Some(query),
            in_memory,
        }));
    }
    all.extend(BITS.map(|(bits, _)| Quantization::Turbo { bits, in_memory }));
    all
}
