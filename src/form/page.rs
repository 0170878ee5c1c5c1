//! The pages of a form: HTML without scripts or styles of its own, usable by keyboard and screen
//! reader. Everything that is not ours is escaped.

use std::fmt::Write;

use crate::core::snapshot::{FieldType, FormChannel, FormField};
use crate::core::text::escape_html;

use super::fill::{Errors, Sent, size};

/// A field that people do not see, and programs fill in.
const TRAPS: [&str; 3] = ["website", "homepage", "fax_number"];

/// The name of the field with the token.
pub(super) const TOKEN: &str = "_token";

/// The name of the field with the key of a submission.
pub(super) const KEY: &str = "_key";

/// The name of the field that only programs fill in: one that the form does not ask for.
pub(super) fn trap(form: &FormChannel) -> &'static str {
    let is_free = |name: &&str| form.fields.iter().all(|field| field.name != **name);
    TRAPS.into_iter().find(is_free).unwrap_or("_website")
}

/// What a page shows.
pub(super) struct View<'a> {
    /// The form.
    pub form: &'a FormChannel,
    /// Says when it is shown.
    pub token: &'a str,
    /// Names the submission.
    pub key: &'a str,
    /// What was written before.
    pub sent: &'a Sent,
    /// What is wrong with it.
    pub errors: &'a Errors,
    /// What is to be done.
    pub notice: Option<&'a str>,
    /// Inside a page of somebody else.
    pub embedded: bool,
}

/// The page with the form. Links are relative to `/f/NAME`.
pub(super) fn form(view: &View<'_>) -> String {
    let form = view.form;
    let mut page = head(&form.title, "-/", view.embedded);
    if let Some(notice) = view.notice {
        summary(&mut page, notice, view);
    }
    let has_file = form
        .fields
        .iter()
        .any(|it| it.field_type == FieldType::File);
    let encoding = if has_file {
        "multipart/form-data"
    } else {
        "application/x-www-form-urlencoded"
    };
    // Another page cannot be shown inside the frame of this one.
    let target = if view.embedded && form.redirect.is_some() {
        " target=\"_top\""
    } else {
        ""
    };
    put(
        &mut page,
        format_args!("<form method=\"post\" enctype=\"{encoding}\"{target}>\n"),
    );
    for (index, field) in form.fields.iter().enumerate() {
        one(&mut page, index, field, view);
    }
    put(
        &mut page,
        format_args!(
            "<div class=\"away\" aria-hidden=\"true\"><label>Leave this empty \
             <input name=\"{}\" tabindex=\"-1\" autocomplete=\"off\"></label></div>\n\
             <input type=\"hidden\" name=\"{TOKEN}\" value=\"{}\">\n\
             <input type=\"hidden\" name=\"{KEY}\" value=\"{}\">\n\
             <p><button type=\"submit\">Send</button></p>\n</form>\n",
            trap(form),
            escape_html(view.token),
            escape_html(view.key)
        ),
    );
    page + FOOT
}

/// The page after a submission. Links are relative to `/f/NAME/thanks`.
pub(super) fn thanks(form: &FormChannel, embedded: bool) -> String {
    let mut page = head(&form.title, "../-/", embedded);
    for part in form.thanks.split("\n\n") {
        let text = escape_html(part).replace('\n', "<br>\n");
        put(&mut page, format_args!("<p role=\"status\">{text}</p>\n"));
    }
    page + FOOT
}

/// A page that says one thing. Links are relative to `/f/NAME`.
pub(super) fn notice(title: &str, text: &str) -> String {
    let mut page = head(title, "-/", false);
    put(
        &mut page,
        format_args!("<p role=\"alert\">{}</p>\n", escape_html(text)),
    );
    page + FOOT
}

const FOOT: &str = "</main>\n</body>\n</html>\n";

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = page.write_fmt(text);
}

fn head(title: &str, assets: &str, embedded: bool) -> String {
    let title = escape_html(title);
    let class = if embedded { " class=\"embedded\"" } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"{assets}form.css\">\n\
         <script src=\"{assets}form.js\" defer></script>\n</head>\n<body{class}>\n<main>\n\
         <h1>{title}</h1>\n"
    )
}

fn summary(page: &mut String, notice: &str, view: &View<'_>) {
    put(
        page,
        format_args!(
            "<div class=\"summary\" role=\"alert\" tabindex=\"-1\">\n<p>{}</p>\n",
            escape_html(notice)
        ),
    );
    let wrong = view.form.fields.iter().enumerate();
    let wrong: Vec<_> = wrong
        .filter_map(|(index, field)| Some((index, field, view.errors.get(&field.name)?)))
        .collect();
    if !wrong.is_empty() {
        page.push_str("<ul>\n");
        for (index, field, error) in wrong {
            put(
                page,
                format_args!(
                    "<li><a href=\"#field-{index}\">{}</a>: {}</li>\n",
                    escape_html(&field.label),
                    escape_html(error)
                ),
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</div>\n");
}

/// A field with its label, what it needs, and what is wrong with it.
fn one(page: &mut String, index: usize, field: &FormField, view: &View<'_>) {
    let error = view.errors.get(&field.name);
    let is_box = field.field_type == FieldType::Checkbox;
    let label = format!(
        "<label for=\"field-{index}\">{}{}</label>\n",
        escape_html(&field.label),
        if field.required {
            ""
        } else {
            " <span>(optional)</span>"
        }
    );
    let class = if is_box { "field box" } else { "field" };
    put(page, format_args!("<div class=\"{class}\">\n"));
    if !is_box {
        page.push_str(&label);
    }
    let mut described = Vec::new();
    if field.field_type == FieldType::File {
        described.push(format!("hint-{index}"));
        let most = size(field.max_length);
        put(
            page,
            format_args!("<p class=\"hint\" id=\"hint-{index}\">{most} at most</p>\n"),
        );
    }
    if let Some(error) = error {
        described.push(format!("error-{index}"));
        let error = escape_html(error);
        put(
            page,
            format_args!("<p class=\"error\" id=\"error-{index}\">{error}</p>\n"),
        );
    }
    let mut attributes = format!("id=\"field-{index}\" name=\"{}\"", escape_html(&field.name));
    if field.required {
        attributes.push_str(" required");
    }
    if !described.is_empty() {
        put(
            &mut attributes,
            format_args!(" aria-describedby=\"{}\"", described.join(" ")),
        );
    }
    if error.is_some() {
        attributes.push_str(" aria-invalid=\"true\"");
    }
    control(
        page,
        field,
        &attributes,
        view.sent.value(&field.name).unwrap_or_default(),
    );
    if is_box {
        page.push_str(&label);
    }
    page.push_str("</div>\n");
}

fn control(page: &mut String, field: &FormField, attributes: &str, value: &str) {
    let most = field.max_length;
    match field.field_type {
        FieldType::Multiline => put(
            page,
            // The first line break of a text is not the text's.
            format_args!(
                "<textarea {attributes} rows=\"6\" maxlength=\"{most}\">\n{}</textarea>\n",
                escape_html(value)
            ),
        ),
        FieldType::Choice => {
            put(
                page,
                format_args!("<select {attributes}>\n<option value=\"\"></option>\n"),
            );
            for choice in &field.choices {
                let chosen = if choice == value { " selected" } else { "" };
                let choice = escape_html(choice);
                put(
                    page,
                    format_args!("<option value=\"{choice}\"{chosen}>{choice}</option>\n"),
                );
            }
            page.push_str("</select>\n");
        }
        FieldType::Checkbox => {
            let ticked = if matches!(value, "yes" | "on" | "true" | "1") {
                " checked"
            } else {
                ""
            };
            put(
                page,
                format_args!("<input type=\"checkbox\" value=\"yes\" {attributes}{ticked}>\n"),
            );
        }
        FieldType::File => put(page, format_args!("<input type=\"file\" {attributes}>\n")),
        FieldType::Text
        | FieldType::Email
        | FieldType::Phone
        | FieldType::Name
        | FieldType::Subject
        | FieldType::Number
        | FieldType::Date => put(
            page,
            format_args!(
                "<input {} {attributes} maxlength=\"{most}\" value=\"{}\">\n",
                input(field.field_type),
                escape_html(value)
            ),
        ),
    }
}

/// The type of input, and what browsers may offer to fill in.
fn input(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Email => "type=\"email\" autocomplete=\"email\"",
        FieldType::Phone => "type=\"tel\" autocomplete=\"tel\"",
        FieldType::Name => "type=\"text\" autocomplete=\"name\"",
        FieldType::Number => "type=\"text\" inputmode=\"decimal\"",
        FieldType::Date => "type=\"date\"",
        FieldType::Text
        | FieldType::Subject
        | FieldType::Multiline
        | FieldType::Choice
        | FieldType::Checkbox
        | FieldType::File => "type=\"text\"",
    }
}
