//! Whether a text layer is garbled: its codes lead to other letters than those that are drawn, as the fonts of some programs tell
//! it wrongly. What such a page says must not be quoted.
//!
//! Told from how often each letter comes: in every language of the Latin script that people write documents in, some letters are
//! common and others rare, and a shift or a shuffle of the alphabet turns that around.

use std::collections::BTreeSet;

use super::reading::Part;

/// Letters a to z, in a thousand, averaged over Danish, Dutch, English, Finnish, French, German, Italian, Polish, Portuguese,
/// Spanish, Swedish and Turkish (accents left off).
const COMMON: [f32; 26] = [
    91.0, 16.0, 27.0, 42.0, 133.0, 14.0, 21.0, 23.0, 78.0, 6.0, 22.0, 49.0, 30.0, 78.0, 61.0, 22.0, 3.0, 66.0, 62.0,
    65.0, 38.0, 15.0, 10.0, 2.0, 15.0, 12.0,
];
/// Fewer words say nothing.
const MIN_WORDS: usize = 15;
const MIN_WORD_LETTERS: usize = 3;
/// How far the letters of a page may be from the common ones (Kullback-Leibler divergence, in nats). Real text of some dozen
/// words stays below .35, a shuffled alphabet lies beyond .6.
const MAX_DIVERGENCE: f32 = 0.5;

pub(super) fn is_garbled(parts: &[Part]) -> bool {
    // Each word once: a listing says the same few words over and over.
    let mut words: BTreeSet<String> = BTreeSet::new();
    let (mut latin, mut other) = (0usize, 0usize);
    for part in parts {
        // Signs that stand where a letter should are part of the word.
        let word = part.text.trim_matches(|c: char| c.is_ascii_punctuation());
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        latin += letters;
        other += word.chars().filter(|c| c.is_alphabetic() && *c > '\u{24f}').count();
        if letters >= MIN_WORD_LETTERS && !word.chars().skip(1).any(char::is_numeric) {
            words.insert(word.to_ascii_lowercase());
        }
    }
    let mut counts = [0f32; 26];
    for letter in words.iter().flat_map(|word| word.bytes()).filter(u8::is_ascii_alphabetic) {
        counts[usize::from(letter - b'a')] += 1.0;
    }
    latin > other && words.len() >= MIN_WORDS && divergence(&counts) > MAX_DIVERGENCE
}

fn divergence(counts: &[f32; 26]) -> f32 {
    let (sum, common): (f32, f32) = (counts.iter().sum(), COMMON.iter().sum());
    let term = |(count, often): (&f32, &f32)| match count / sum {
        0.0 => 0.0,
        share => share * (share * common / often).ln(),
    };
    counts.iter().zip(&COMMON).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::pdf::reading::Gap;
    use crate::types::Rect;

    const TEXTS: [&str; 8] = [
        "The committee met in the small room on the second floor and agreed on the minutes. Further copies of this paper can be had \
         from the office during opening hours. All figures are given without taxes.",
        "Die Wasserpumpe ist alle sechs Monate zu prüfen, und die Temperatur der Lager darf achtzig Grad nicht überschreiten. Bitte \
         verwenden Sie nur Ersatzteile des Herstellers und beachten Sie die Hinweise zur Sicherheit.",
        "La pompe à eau doit être vérifiée tous les six mois et la température des paliers ne doit pas dépasser quatre-vingts degrés. \
         Veuillez utiliser uniquement les pièces du fabricant pour toutes les réparations.",
        "La bomba de agua debe revisarse cada seis meses y la temperatura de los cojinetes no debe superar los ochenta grados. Utilice \
         solamente piezas originales del fabricante para todas las reparaciones de este equipo.",
        "Pompę wodną należy sprawdzać co sześć miesięcy, a temperatura łożysk nie może przekraczać osiemdziesięciu stopni. Prosimy \
         używać wyłącznie oryginalnych części producenta do wszystkich napraw tego urządzenia.",
        "Vesipumppu on tarkastettava kuuden kuukauden välein, eikä laakerien lämpötila saa ylittää kahdeksaakymmentä astetta. Käytä \
         vain valmistajan alkuperäisiä varaosia kaikissa korjauksissa ja huolloissa tällä laitteella, kun huollat sen itse kotona \
         ilman apua tai neuvoa muilta.",
        "Su pompası her altı ayda bir kontrol edilmelidir ve yatakların sıcaklığı seksen dereceyi aşmamalıdır. Lütfen tüm onarımlarda \
         yalnızca üreticinin orijinal parçalarını kullanınız ve güvenlik uyarılarına dikkat ediniz.",
        "Invoice number, description, quantity, unit price, total amount, delivery address, customer reference, payment terms, bank \
         account, currency, discount, shipping method, order date, due date, contact person, remarks",
    ];

    fn garbled(text: &str) -> bool {
        let rect = Rect { left: 0.0, top: 0.0, right: 0.1, bottom: 0.1 };
        let part = |text: &str| Part { text: text.into(), rect, gap: Gap::Space, hyphen: false, turned: false };
        is_garbled(&text.split_whitespace().map(part).collect::<Vec<_>>())
    }

    #[test]
    fn text_of_every_language_is_text() {
        for text in TEXTS {
            assert!(!garbled(text), "{text}");
            assert!(!garbled(&text.to_uppercase()), "{text}");
        }
    }

    #[test]
    fn shifted_letters_are_none() {
        for text in TEXTS {
            for shift in [1, 3, 5, 23, 29] {
                let shifted: String = text
                    .chars()
                    .map(|c| if c.is_ascii_graphic() { char::from((c as u8 - 33 + 94 - shift) % 94 + 33) } else { c })
                    .collect();
                assert!(garbled(&shifted), "{shifted}");
            }
        }
    }

    #[test]
    fn few_words_and_part_numbers_say_nothing() {
        assert!(!garbled("Obmloq lk qeb bi_lt"));
        assert!(!garbled(&"XKZ-4711 WQX99 zzk3xq ".repeat(40)));
        assert!(!garbled(&"水泵每六个月检查一次 ".repeat(40)));
        assert!(
            !garbled(&format!("{} {}", TEXTS[0].replace('e', "x"), "水泵每六个月检查一次 ".repeat(40))),
            "a few odd words"
        );
        assert!(!garbled(&"tl_item:nn sqrt xxxxxxx zzz ".repeat(40)), "a listing");
    }
}
