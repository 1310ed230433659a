//! What chat clients ask of a model behind the user's back: titles, tags, follow-ups, search queries, which tool to use. Documents
//! know nothing of it, so nothing is retrieved and no model is asked: it costs nothing, and nobody can use the answer model for
//! other work by way of such a prompt.
//!
//! Recognised by how the prompts of Open WebUI (`DEFAULT_*_PROMPT_TEMPLATE`) and LibreChat (`defaultTitlePrompt`) begin.

use serde_json::json;

/// How Open WebUI's prompts begin, and so do those that people write after its example.
const TASK: &str = "### Task:";
/// Open WebUI's prompt around documents of its own: the user's question is in it.
const WITH_CONTEXT: &str = "Respond to the user query using the provided context";
/// Characters of a title, and of what it is made of that is looked at.
const MAX_TITLE_CHARS: usize = 48;

/// The answer to a chore; None: the prompt is a question.
pub fn answer(prompt: &str, system: Option<&str>) -> Option<String> {
    let prompt = prompt.trim_start();
    if prompt.starts_with("Available Tools:")
        || system.is_some_and(|system| system.trim_start().starts_with("Available Tools:"))
    {
        return Some(json!({ "tool_calls": [] }).to_string());
    }
    if let Some(task) = prompt.strip_prefix(TASK) {
        return (!task.contains(WITH_CONTEXT)).then(|| open_webui(task));
    }
    if prompt.starts_with("Analyze this conversation and provide:\n1. The detected language") {
        return Some(title(conversation(prompt)));
    }
    let short = ["5-word-or-less title for the conversation", "5-words-or-less title for the conversation"];
    let head = &prompt[..prompt.floor_char_boundary(200)];
    short.iter().any(|words| head.contains(words)).then(|| title(conversation(prompt)))
}

/// The user's question inside a prompt that Open WebUI wraps around it; else the prompt as it is.
pub fn question(prompt: &str) -> &str {
    if !prompt.trim_start().starts_with(TASK) || !prompt.contains(WITH_CONTEXT) {
        return prompt;
    }
    let between = prompt.rsplit_once("<user_query>").and_then(|(_, rest)| rest.split_once("</user_query>"));
    let behind = || prompt.rsplit_once("</context>").map(|(_, rest)| rest);
    between.map(|(query, _)| query).or_else(behind).map(str::trim).filter(|query| !query.is_empty()).unwrap_or(prompt)
}

/// The key that the prompt's example of its output has tells what is asked for.
fn open_webui(task: &str) -> String {
    let asks_for = |key: &str| task.contains(&format!("\"{key}\":"));
    if asks_for("title") {
        json!({ "title": title(conversation(task)) }).to_string()
    } else if asks_for("tags") {
        json!({ "tags": ["General"] }).to_string()
    } else if asks_for("follow_ups") {
        json!({ "follow_ups": [] }).to_string()
    } else if asks_for("queries") {
        json!({ "queries": [] }).to_string()
    } else if asks_for("text") {
        json!({ "text": "" }).to_string()
    } else if asks_for("prompt") {
        json!({ "prompt": "" }).to_string()
    } else {
        "{}".to_owned()
    }
}

/// What the user said first in the conversation that a prompt quotes.
fn conversation(prompt: &str) -> &str {
    let quoted = prompt.rsplit_once("<chat_history>").and_then(|(_, rest)| rest.split_once("</chat_history>"));
    let text = quoted.map_or(prompt, |(history, _)| history);
    let user =
        ["USER:", "User:", "Human:", "user:"].iter().filter_map(|name| Some((text.find(name)?, name.len()))).min();
    let said = user.map_or("", |(at, length)| &text[at + length..]);
    said.trim().lines().next().unwrap_or_default().trim()
}

fn title(said: &str) -> String {
    let words = said.trim_end_matches(['?', '.', '!', ' ']);
    if words.is_empty() {
        return "Documents".into();
    }
    let Some((end, _)) = words.char_indices().nth(MAX_TITLE_CHARS) else { return words.to_owned() };
    let cut = words[..end].rfind(' ').unwrap_or(end);
    format!("{}…", words[..cut].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = "### Chat History:\n<chat_history>\nUSER: When does the warranty of the pump end?\nASSISTANT: In May [1].\n</chat_history>";

    #[test]
    fn open_webuis_chores_are_answered_in_the_form_they_ask_for() {
        for (task, output, expected) in [
            (
                "Generate a concise, 3-5 word title with an emoji summarizing the chat history.",
                r#"{ "title": "your concise title here" }"#,
                r#"{"title":"When does the warranty of the pump end"}"#,
            ),
            (
                "Generate 1-3 broad tags categorizing the main themes",
                r#"{ "tags": ["tag1", "tag2", "tag3"] }"#,
                r#"{"tags":["General"]}"#,
            ),
            (
                "Suggest 3-5 relevant follow-up questions",
                r#"{ "follow_ups": ["Question 1?", "Question 2?"] }"#,
                r#"{"follow_ups":[]}"#,
            ),
            (
                "Analyze the chat history to determine the necessity of generating search queries",
                r#"{ "queries": ["query1"] }"#,
                r#"{"queries":[]}"#,
            ),
            ("You are an autocompletion system.", r#"{ "text": "<your_completion>" }"#, r#"{"text":""}"#),
            ("Something of one's own", "a word", "{}"),
        ] {
            let prompt = format!("### Task:\n{task}\n### Output:\nJSON format: {output}\n{HISTORY}");
            assert_eq!(answer(&prompt, None).as_deref(), Some(expected), "{task}");
        }
        assert_eq!(
            answer("Query: x", Some("Available Tools: []\n\nYour task is")).as_deref(),
            Some(r#"{"tool_calls":[]}"#)
        );
    }

    #[test]
    fn librechats_titles_are_plain() {
        let prompt = "Analyze this conversation and provide:\n1. The detected language of the conversation\n2. A concise title in the detected \
                      language (5 words or less, no punctuation or quotation)\n\nUser: Who signs?\nAI: The board.";
        assert_eq!(answer(prompt, None).as_deref(), Some("Who signs"));
        let prompt = "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only return the title itself.\n\n\
                      Conversation:\nUser: How many bolts hold the rotor of the large pump in the harbour hall, and what is their torque";
        assert_eq!(answer(prompt, None).as_deref(), Some("How many bolts hold the rotor of the large pump…"));
    }

    #[test]
    fn questions_are_no_chores() {
        for text in ["What is task 3?", "What does '### Task:' mean?", "Which title has the report?", ""] {
            assert_eq!(answer(text, Some("Be kind.")), None, "{text}");
            assert_eq!(question(text), text);
        }
    }

    #[test]
    fn the_question_inside_a_prompt_with_context_is_the_question() {
        let prompt = |end: &str| {
            format!(
                "### Task:\nRespond to the user query using the provided context, incorporating inline citations in the format [id].\n<context>\n<source id=\"1\">x</source>\n</context>\n{end}"
            )
        };
        let newer = prompt("\nWho signs?");
        assert_eq!((answer(&newer, None), question(&newer)), (None, "Who signs?"));
        let older = prompt("<user_query>\nWho signs?\n</user_query>\n");
        assert_eq!(question(&older), "Who signs?");
        let bare = prompt("");
        assert_eq!(question(&bare), bare);
    }
}
