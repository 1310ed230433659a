//! The filter as a whole.

use proptest::prelude::*;

use super::*;

/// Text and report of an answer that comes in these pieces, after `pages` were sent.
fn filter<'p>(pages: &[&str], pieces: impl IntoIterator<Item = &'p str>) -> (String, CitationReport) {
    let mut filter = CitationFilter::new(pages);
    let mut text: String = pieces.into_iter().map(|piece| filter.push(piece)).collect();
    let (rest, report) = filter.finish();
    text.push_str(&rest);
    (text, report)
}

/// Input, pages sent, what is shown, what is cited, what was invented.
type Case<'c> = (&'c str, usize, &'c str, &'c [usize], &'c [&'c str]);

fn check(cases: &[Case]) {
    for (text, sent, shown, cited, invented) in cases {
        let (found, report) = filter(&vec![""; *sent], [*text]);
        assert_eq!(found, *shown, "{text}");
        assert_eq!(report.cited.iter().copied().collect::<Vec<_>>(), *cited, "{text}");
        assert_eq!(report.invented, *invented, "{text}");
    }
}

#[test]
fn markers_of_pages_that_were_sent_stay_and_the_others_go() {
    check(&[
        ("24 Nm [1].", 2, "24 Nm [1].", &[1], &[]),
        ("24 Nm [3].", 2, "24 Nm.", &[], &["3"]),
        ("a [1, 2] b", 2, "a [1][2] b", &[1, 2], &[]),
        ("a [1,9, 2] b", 2, "a [1][2] b", &[1, 2], &["9"]),
        ("a [1][3] b", 3, "a [1][3] b", &[1, 3], &[]),
        ("a[9][1] b [9]", 1, "a[1] b", &[1], &["9"]),
        ("see [p. 3] and [x] and []", 5, "see [p. 3] and [x] and []", &[], &[]),
        ("[ 2 ]", 2, "[2]", &[2], &[]),
        ("[0] [01] [99999999999999999999999]", 1, " [1]", &[1], &["0", "99999999999999999999999"]),
        ("[1", 1, "[1", &[], &[]),
        ("[1,] [,] [1 2]", 2, "[1,] [,] [1 2]", &[], &[]),
        ("let x = a[[0]]; b[i[1]]", 1, "let x = a[?]; b[i[1]]", &[1], &["0"]),
        ("[[9]2]", 1, "[?2]", &[], &["9"]),
        ("[1 [9]2]", 1, "[1 ?2]", &[], &["9"]),
        ("[1\n] [\t2,\n9]", 2, "[1] [2]", &[1, 2], &["9"]),
        ("red \u{1b}[31m [1]\u{7}\u{202e}", 1, "red [31m [1]", &[1], &[]),
        ("\n[7] ende – ünï", 1, "\n ende – ünï", &[], &["7"]),
    ]);
}

#[test]
fn markers_in_disguise_are_markers() {
    check(&[
        ("a [\u{200b}9\u{2060}] b", 1, "a b", &[], &["9"]),
        ("a [\u{ad}1\u{fe0f}] b", 1, "a [1] b", &[1], &[]),
        ("a【9†source】【1†source】 b", 1, "a[1] b", &[1], &["9"]),
        ("a ［９］ ［１］ b", 1, "a [1] b", &[1], &["9"]),
        ("a [1-9] b", 2, "a [1][2] b", &[1, 2], &["3-9"]),
        ("a [^9][^1] b", 1, "a[1] b", &[1], &["9"]),
        ("a [Page 9] [Page 1] b", 1, "a [1] b", &[1], &["9"]),
        ("a\u{3000}[9]\u{a0}[8] b", 1, "a b", &[], &["9", "8"]),
        ("[[9]\u{200b}２]", 2, "[?\u{200b}２]", &[], &["9"]),
        ("【【9】2]", 2, "【?2]", &[], &["9"]),
    ]);
    let padded = format!("a [{}9] b", "\u{200b}".repeat(5_000));
    let (shown, report) = filter(&[""], [padded.as_str()]);
    assert!(shown.starts_with("a ?\u{200b}") && report.cited.is_empty(), "{shown}");
}

#[test]
fn code_holds_no_markers() {
    check(&[
        ("use `a[9]` [1]", 1, "use `a[9]` [1]", &[1], &[]),
        ("``a`[9]`` [9]", 1, "``a`[9]``", &[], &["9"]),
        ("```rust\nlet x = a[9];\n```\nb [9] [1]", 1, "```rust\nlet x = a[9];\n```\nb [1]", &[1], &["9"]),
        ("- x\n   ~~~\n   a[9]\n```\n   ~~~\n[9]b", 1, "- x\n   ~~~\n   a[9]\n```\n   ~~~\nb", &[], &["9"]),
        ("```\na[9]", 1, "```\na[9]", &[], &[]),
        // backticks that nothing closes make no code
        ("a ` b [9]", 1, "a ` b", &[], &["9"]),
        ("a `b [9]\nc` [9]", 1, "a `b\nc`", &[], &["9"]),
        ("[`9`] [`x`[9]`", 1, " [`x``", &[], &["9"]),
    ]);
}

#[test]
fn what_a_page_says_in_brackets_is_quoted_as_it_stands() {
    let pages = ["The torque values [12] were measured in Kiel.", "Zahlen aus [3] und [1]."];
    let (shown, report) = filter(&pages, ["It says “torque values [12] were measured” [1], nothing of “Bremen [12]”."]);
    assert_eq!(shown, "It says “torque values [12] were measured” [1], nothing of “Bremen”.");
    assert_eq!((report.cited, report.invented), (BTreeSet::from([1]), vec!["12".to_owned()]));
    let (shown, report) = filter(&pages, ["> Zahlen aus [3] und [1]. [2]\n\nZahlen aus [3]"]);
    assert_eq!(shown, "> Zahlen aus [3] und [1]. [2]\n\nZahlen aus");
    assert_eq!((report.cited, report.invented), (BTreeSet::from([2]), vec!["3".to_owned()]));
}

#[test]
fn text_is_not_held_back_longer_than_it_must_be() {
    let mut filter = CitationFilter::new(&[""]);
    assert_eq!(filter.push("The pump"), "The pump");
    assert_eq!(filter.push(" ["), "");
    assert_eq!(filter.push("1"), "");
    assert_eq!(filter.push("] runs [x"), " [1] runs [x");
    assert_eq!(filter.push("] `a"), "] ");
    assert_eq!(filter.push("[2]"), "");
    assert_eq!(filter.push("` \n```\nx[2]"), "`a[2]` \n```\nx[2]");
}

/// Pieces of which every rule of the filter is made.
fn pieces() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        "[\\[\\]0-9, a\nü]{0,6}",
        "[\\[【［\\]】］0-3１９\u{200b}\u{ad}\u{fe0f}\u{3000} \\-^]{0,6}",
        "[\\[\\]`~9\n x\"]{0,6}",
        prop_oneof![
            Just("```\n"),
            Just("~~~"),
            Just("``"),
            Just("[Page "),
            Just("†source】"),
            Just("“torque values "),
            Just("torque values [12]"),
            Just("\n> "),
            Just("[1-9]"),
            Just("\r\n"),
            Just("[9]"),
            Just("[1 and "),
        ]
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cut_gives_the_same(pieces in pieces(), sent in 0usize..4) {
        let pages = vec!["torque values [12] torque values [9]"; sent];
        let whole: String = pieces.concat();
        let (shown, report) = filter(&pages, [whole.as_str()]);
        prop_assert_eq!(&filter(&pages, pieces.iter().map(String::as_str)), &(shown.clone(), report.clone()));
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        prop_assert_eq!(&filter(&pages, letters.iter().map(String::as_str)), &(shown, report));
    }

    #[test]
    fn no_invented_marker_comes_through(pieces in pieces(), sent in 0usize..4) {
        // without backticks and tildes nothing is code, and pages without text are never quoted
        let text: String = pieces.concat().replace(['`', '~'], "");
        let (shown, report) = filter(&vec![""; sent], [text.as_str()]);
        for (start, _) in shown.char_indices().filter(|(_, char)| opens(*char)) {
            if let Bracket::Marker { bytes, named } = bracket(&shown[start..]) {
                let pages: Vec<usize> = named.iter().flat_map(|named| named.sent(sent)).collect();
                prop_assert_eq!(pages.len(), 1, "{} in {:?}", &shown[start..start + bytes], shown);
                prop_assert_eq!(&shown[start..start + bytes], format!("[{}]", pages[0]), "in {:?}", shown);
                prop_assert!(report.cited.contains(&pages[0]));
            }
        }
    }
}
