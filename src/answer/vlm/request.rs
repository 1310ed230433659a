//! One chat request: the rules as the system message; then for each page its text and its images, and the question last.

use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionRequestMessageContentPartImage,
    ChatCompletionRequestMessageContentPartText, ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionRequestUserMessageContent, ChatCompletionRequestUserMessageContentPart, ChatCompletionStreamOptions,
    CreateChatCompletionRequest, ImageUrl,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::answer::images::{FittedImage, Shows};
use crate::answer::prompt::Prompt;
use crate::config::{TokensField, Vlm};

/// The request for a prompt and the images of its pages, in the same order.
pub fn build(vlm: &Vlm, prompt: &Prompt, pages: &[Vec<FittedImage>]) -> CreateChatCompletionRequest {
    let mut parts: Vec<ChatCompletionRequestUserMessageContentPart> = Vec::with_capacity(pages.len() * 2 + 1);
    for (page, images) in prompt.pages.iter().zip(pages) {
        parts.push(ChatCompletionRequestMessageContentPartText::from(page.text.as_str()).into());
        for image in images {
            if matches!(image.shows, Shows::Region { .. }) {
                parts.push(ChatCompletionRequestMessageContentPartText::from(page.part.as_str()).into());
            }
            let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(&image.jpeg));
            let image_url = ImageUrl { url, detail: None };
            parts.push(ChatCompletionRequestMessageContentPartImage { image_url, ..Default::default() }.into());
        }
    }
    parts.push(ChatCompletionRequestMessageContentPartText::from(prompt.question.as_str()).into());
    let system = ChatCompletionRequestSystemMessage::from(prompt.system.as_str());
    let user = ChatCompletionRequestUserMessage {
        content: ChatCompletionRequestUserMessageContent::Array(parts),
        ..Default::default()
    };
    let mut request = CreateChatCompletionRequest {
        model: vlm.model.clone(),
        messages: vec![ChatCompletionRequestMessage::from(system), user.into()],
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None }),
        temperature: vlm.temperature,
        ..Default::default()
    };
    match vlm.answer_tokens_field {
        #[expect(deprecated, reason = "the only name that many servers know")]
        TokensField::MaxTokens => request.max_tokens = Some(vlm.max_answer_tokens),
        TokensField::MaxCompletionTokens => request.max_completion_tokens = Some(vlm.max_answer_tokens),
    }
    request
}
