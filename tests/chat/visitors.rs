//! Visitors of a website, in a real browser.

use std::time::Duration;

use ringdesk::core::conversation::Delivery;
use ringdesk::core::snapshot::{
    Channel, ChannelKind, ChatChannel, ChatQuestion, ChatSide, FieldType, Rule, RuleEnd, WhenAway,
};

use crate::support::browser::{Browser, Tab, until};
use crate::support::office::{CHANNEL, Office, snapshot};
use crate::support::site;

/// Where the chat is in a page.
const SHADOW: &str = "document.querySelector('ringdesk-chat')?.shadowRoot";

pub fn chat() -> ChatChannel {
    ChatChannel {
        title: "Shop support".to_owned(),
        colour: "#1a73e8".to_owned(),
        side: ChatSide::Right,
        button: "Chat with us".to_owned(),
        allowed_origins: Vec::new(),
        greeting: Some("Hello! How can we help?".to_owned()),
        questions: Vec::new(),
        offline_form: false,
        idle_close: Duration::from_secs(1800),
        hourly_limit: 1000,
    }
}

pub fn channel(chat: ChatChannel) -> Channel {
    Channel {
        name: CHANNEL.into(),
        inbox: None,
        schedule: None,
        working_hours: Rule::nobody(),
        break_: None,
        after_hours: None,
        when_away: WhenAway::Keep,
        kind: ChannelKind::Chat(Box::new(chat)),
    }
}

/// A channel that is closed at all hours.
pub fn closed(offline_form: bool) -> Channel {
    let mut channel = channel(ChatChannel {
        offline_form,
        ..chat()
    });
    channel.schedule = Some("always-closed".into());
    channel.after_hours = Some(Rule {
        steps: Vec::new(),
        end: RuleEnd::Unassigned,
        reply: Some("We open at 8.".to_owned()),
        answer_within: None,
    });
    channel
}

/// An office whose chat takes everybody at all hours.
pub async fn open_office() -> Office {
    Office::open(snapshot(channel(chat()))).await
}

fn entries() -> String {
    format!("[...{SHADOW}.querySelectorAll('.log li')].map((li) => li.innerText).join('|')")
}

fn has(text: &str) -> String {
    format!("{}.includes({text:?})", entries())
}

/// A customer's website, which embeds the chat.
async fn website(browser: &Browser, office: &Office) -> Tab {
    let site = site::serve(&office.url, CHANNEL).await;
    browser.open(&site).await
}

/// Presses the button of the chat with the keyboard alone.
async fn press_button(tab: &mut Tab) {
    tab.until(
        "the button",
        &format!("!!{SHADOW}?.querySelector('.button')"),
    )
    .await;
    tab.press("Tab").await;
    tab.press("Enter").await;
}

/// … and sees where to write.
async fn open(tab: &mut Tab) {
    press_button(tab).await;
    tab.until(
        "the field",
        &format!("!!{SHADOW}.querySelector('#text, #answer, #email, .choice')"),
    )
    .await;
}

async fn says(tab: &mut Tab, text: &str) {
    tab.write(text).await;
    tab.press("Enter").await;
}

/// Waits until exactly this was said by visitors.
async fn has_heard(office: &Office, texts: &[&str]) {
    until("what was said", async || {
        (office.texts() == texts).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_visitor_writes_by_keyboard_and_reads_the_answer_under_a_strict_policy() {
    let office = open_office().await;
    let browser = Browser::start().await;
    let mut tab = website(&browser, &office).await;
    open(&mut tab).await;
    says(&mut tab, "Where is <b>my</b> parcel?").await;
    has_heard(&office, &["Where is <b>my</b> parcel?"]).await;

    let is_shown = format!("{SHADOW}.querySelector('.typing').innerText.includes('Anna Berg')");
    // It is shown for some seconds only.
    until("that Anna writes", async || {
        office.types();
        (tab.run(&is_shown).await == true).then_some(())
    })
    .await;
    office.answers("On its way: https://example.com/track?id=1 <img src=x onerror=alert(1)>");
    tab.until("the answer", &has("On its way")).await;
    let link = tab
        .run(&format!("{SHADOW}.querySelector('.log a').href"))
        .await;
    assert_eq!(link, "https://example.com/track?id=1");
    let images = tab
        .run(&format!(
            "{SHADOW}.querySelectorAll('img, b, script').length"
        ))
        .await;
    assert_eq!(images, 0, "what people write is text");
    until("that it was seen", async || {
        office.deliveries().contains(&Delivery::Seen).then_some(())
    })
    .await;

    let heard = tab.heard().await;
    for expected in [
        "dialog Shop support",
        "log Shop support",
        "textbox Your message",
        "button Close the chat",
    ] {
        assert!(
            heard.iter().any(|it| it == expected),
            "{expected}: {heard:#?}"
        );
    }
    tab.press("Escape").await;
    let focus = tab.run(&format!("{SHADOW}.activeElement.className")).await;
    assert_eq!(focus, "button", "the focus is where it was");
    let refused: Vec<&String> = tab
        .console
        .iter()
        .filter(|it| it.contains("Security Policy"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_visitor_reloads_and_the_server_restarts_and_nothing_is_lost_or_doubled() {
    let office = open_office().await;
    let browser = Browser::start().await;
    let mut tab = website(&browser, &office).await;
    open(&mut tab).await;
    says(&mut tab, "one").await;
    has_heard(&office, &["one"]).await;
    office.answers("two");
    tab.until("the answer", &has("two")).await;

    tab.reload().await;
    tab.until("the history", &has("two")).await;
    let count = tab
        .run(&format!(
            "{SHADOW}.querySelectorAll('.log li.visitor').length"
        ))
        .await;
    assert_eq!(count, 1);

    let office = office.restart().await;
    let write = |text: &str| {
        format!(
            "(() => {{ const field = {SHADOW}.querySelector('#text'); field.value = {text:?}; field.form.requestSubmit(); return true; }})()"
        )
    };
    tab.run(&write("three")).await;
    tab.run(&write("four")).await;
    has_heard(&office, &["one", "three", "four"]).await;
    office.answers("five");
    tab.until("the answer", &has("five")).await;
    let shown = tab
        .run(&format!("{SHADOW}.querySelectorAll('.log li').length"))
        .await;
    assert_eq!(shown, 6, "greeting and five messages");
}

#[tokio::test]
async fn a_visitor_answers_the_questions_before_people_are_sought() {
    let mut chat = chat();
    let question = |name: &str, field_type, choices: &[&str], optional| ChatQuestion {
        name: name.to_owned(),
        text: format!("Your {name}?"),
        field_type,
        choices: choices.iter().map(|it| (*it).to_owned()).collect(),
        optional,
    };
    chat.questions = vec![
        question("topic", FieldType::Choice, &["Order", "Other"], false),
        question("email", FieldType::Email, &[], false),
        question("order number", FieldType::Text, &[], true),
    ];
    let office = Office::open(snapshot(channel(chat))).await;
    let browser = Browser::start().await;
    let mut tab = website(&browser, &office).await;
    open(&mut tab).await;
    tab.press("Enter").await;
    tab.until(
        "the second question",
        &format!("!!{SHADOW}.querySelector('#answer[type=email]')"),
    )
    .await;
    says(&mut tab, "kari").await;
    tab.until(
        "what is wrong",
        &format!("{SHADOW}.querySelector('.problem').innerText.includes('email address')"),
    )
    .await;
    assert!(office.texts().is_empty());
    says(&mut tab, "@example.com").await;
    tab.until(
        "the third question",
        &format!("!!{SHADOW}.querySelector('.skip')"),
    )
    .await;
    tab.run(&format!("{SHADOW}.querySelector('.skip').click()"))
        .await;
    until("the conversation", async || {
        (office.received().len() == 1).then_some(())
    })
    .await;
    let fields = office.received().remove(0).fields;
    let said: Vec<&str> = fields.iter().map(|(_, answer)| answer.as_str()).collect();
    assert_eq!(said, ["Order", "kari@example.com"]);
    tab.until("the field", &format!("!!{SHADOW}.querySelector('#text')"))
        .await;
}

#[tokio::test]
async fn out_of_hours_a_visitor_leaves_a_message_or_reads_a_plain_word() {
    let office = Office::open(snapshot(closed(true))).await;
    let browser = Browser::start().await;
    let mut tab = website(&browser, &office).await;
    open(&mut tab).await;
    tab.until("the word", &has("We open at 8.")).await;
    for text in ["Kari", "kari@example.com"] {
        tab.write(text).await;
        tab.press("Tab").await;
    }
    tab.write("Call me").await;
    tab.press("Tab").await;
    tab.press("Enter").await;
    has_heard(&office, &["Call me"]).await;
    tab.until("the thanks", &has("We will answer by email."))
        .await;

    let office = Office::open(snapshot(closed(false))).await;
    let mut tab = website(&browser, &office).await;
    press_button(&mut tab).await;
    tab.until("the word", &has("We open at 8.")).await;
    let fields = tab
        .run(&format!(
            "{SHADOW}.querySelectorAll('input, textarea').length"
        ))
        .await;
    assert_eq!(fields, 0);
}

#[tokio::test]
async fn the_hosted_page_is_the_same_chat() {
    let office = open_office().await;
    let browser = Browser::start().await;
    let mut tab = browser
        .open(&format!("{}/chat/{CHANNEL}", office.url))
        .await;
    tab.until("the field", &format!("!!{SHADOW}?.querySelector('#text')"))
        .await;
    tab.run(&format!("{SHADOW}.querySelector('#text').focus()"))
        .await;
    says(&mut tab, "hello").await;
    has_heard(&office, &["hello"]).await;
    office.closes();
    tab.until("that it is closed", &has("This chat was closed"))
        .await;
}
