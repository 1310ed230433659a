//! English words whose forms share no stem: `loaves` and `loaf`, `paid` and `pay`. Who asks for one form is answered by a page that has
//! another. For questions only: what a page's `text` vector holds does not depend on this list.

/// A line a word, its forms. Without those that are as often another word (`left`, `found`, `saw`, `leaves`).
const FORMS: &str = "\
    analysis analyses
    appendix appendices
    axis axes
    basis bases
    become became
    begin began begun
    break broke broken
    bring brought
    build built
    buy bought
    calf calves
    catch caught
    child children
    choose chose chosen
    come came
    criterion criteria
    crisis crises
    deal dealt
    draw drew drawn
    drive drove driven
    eat ate eaten
    fall fell fallen
    feed fed
    fly flew flown
    foot feet
    forget forgot forgotten
    freeze froze frozen
    get got gotten
    give gave given
    goose geese
    grow grew grown
    half halves
    hide hid hidden
    hold held
    hypothesis hypotheses
    index indices indexes
    keep kept
    knife knives
    know knew known
    lay laid
    lead led
    lend lent
    life lives
    loaf loaves
    lose lost
    make made
    man men
    matrix matrices
    mean meant
    meet met
    mouse mice
    parenthesis parentheses
    pay paid
    phenomenon phenomena
    ride rode ridden
    ring rang rung
    rise rose risen
    run ran
    seek sought
    sell sold
    send sent
    shake shook shaken
    shelf shelves
    shrink shrank shrunk
    sing sang sung
    sink sank sunk
    sleep slept
    speak spoke spoken
    spend spent
    steal stole stolen
    stick stuck
    swim swam swum
    take took taken
    teach taught
    tear tore torn
    tell told
    think thought
    thief thieves
    throw threw thrown
    tooth teeth
    understand understood
    vertex vertices
    wear wore worn
    wife wives
    win won
    wolf wolves
    woman women
    write wrote written";

/// The other forms of a folded word, if it is one of these.
pub(super) fn other_forms(word: &str) -> impl Iterator<Item = &'static str> {
    let line = FORMS.lines().find(|line| line.split_whitespace().any(|form| form == word));
    line.into_iter().flat_map(str::split_whitespace).filter(move |form| *form != word)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_form_leads_to_the_others() {
        assert_eq!(other_forms("loaves").collect::<Vec<_>>(), ["loaf"]);
        assert_eq!(other_forms("chose").collect::<Vec<_>>(), ["choose", "chosen"]);
        assert_eq!(other_forms("bread").count(), 0);
    }

    #[test]
    fn no_form_belongs_to_two_words() {
        let mut known = HashSet::new();
        let twice: Vec<_> = FORMS.split_whitespace().filter(|form| !known.insert(*form)).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
