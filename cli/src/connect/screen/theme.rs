//! Colours: what means what, for dark and light backgrounds and for as many colours as the terminal has.

use ratatui::style::{Color, Modifier, Style};

use crate::output::name_hash;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// None, or none are wanted: what matters is bold, reversed or underlined.
    None,
    Sixteen,
    Indexed,
    True,
}

/// What is behind the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Background {
    Dark,
    Light,
}

/// A colour as it is written in a theme: red, green, blue, and the nearest of the sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    pub(crate) rgb: (u8, u8, u8),
    pub(crate) sixteenth: u8,
}

/// The styles of everything that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) text: Style,
    /// What need not catch the eye: times, comings and goings.
    pub(crate) quiet: Style,
    /// What must be seen.
    pub(crate) alarm: Style,
    /// A message that speaks to us.
    pub(crate) mention: Style,
    /// The line before what was not read yet.
    pub(crate) unread: Style,
    /// The line before another day.
    pub(crate) day: Style,
    /// The bars above and below the messages.
    pub(crate) bar: Style,
    /// What stands out in a bar.
    pub(crate) bar_strong: Style,
    /// Lines between panes.
    pub(crate) border: Style,
    /// A room with something unread.
    pub(crate) active: Style,
    /// What is chosen in a list.
    pub(crate) chosen: Style,
    /// Lists over the messages.
    pub(crate) popup: Style,
    /// What was found.
    pub(crate) found: Style,
    pub(crate) link: Style,
    names: Vec<Style>,
}

/// The colours of a theme that can be set, by their names in a theme file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) quiet: Paint,
    pub(crate) alarm: Paint,
    pub(crate) mention: Paint,
    pub(crate) unread: Paint,
    pub(crate) bar_text: Paint,
    pub(crate) bar: Paint,
    pub(crate) border: Paint,
    pub(crate) active: Paint,
    pub(crate) chosen_text: Paint,
    pub(crate) chosen: Paint,
    pub(crate) popup_text: Paint,
    pub(crate) popup: Paint,
    pub(crate) link: Paint,
    pub(crate) names: Vec<Paint>,
}

impl Paint {
    /// A colour; the nearest of the sixteen as terminals commonly have them.
    pub(crate) fn of(rgb: (u8, u8, u8)) -> Self {
        const SIXTEEN: [(u8, u8, u8); 16] = [
            (0, 0, 0),
            (205, 0, 0),
            (0, 205, 0),
            (205, 205, 0),
            (0, 0, 238),
            (205, 0, 205),
            (0, 205, 205),
            (229, 229, 229),
            (127, 127, 127),
            (255, 0, 0),
            (0, 255, 0),
            (255, 255, 0),
            (92, 92, 255),
            (255, 0, 255),
            (0, 255, 255),
            (255, 255, 255),
        ];
        let nearest = (0..16_u8).min_by_key(|index| distance(SIXTEEN[usize::from(*index)], rgb));
        Self { rgb, sixteenth: nearest.unwrap_or_default() }
    }
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
}

const fn paint(red: u8, green: u8, blue: u8, sixteenth: u8) -> Paint {
    Paint { rgb: (red, green, blue), sixteenth }
}

impl Palette {
    /// The palette for a background.
    pub(crate) fn of(background: Background) -> Self {
        match background {
            Background::Dark => Self {
                quiet: paint(0x8a, 0x8f, 0x98, 8),
                alarm: paint(0xf3, 0x8b, 0x82, 9),
                mention: paint(0xff, 0xd1, 0x66, 11),
                unread: paint(0xf3, 0x8b, 0x82, 9),
                bar_text: paint(0xd8, 0xdc, 0xe4, 15),
                bar: paint(0x2d, 0x35, 0x48, 4),
                border: paint(0x4a, 0x50, 0x5c, 8),
                active: paint(0xff, 0xff, 0xff, 15),
                chosen_text: paint(0x10, 0x14, 0x1c, 0),
                chosen: paint(0x8a, 0xb4, 0xf8, 12),
                popup_text: paint(0xe6, 0xe9, 0xef, 15),
                popup: paint(0x23, 0x29, 0x36, 8),
                link: paint(0x8a, 0xb4, 0xf8, 12),
                names: vec![
                    paint(0xf2, 0x8b, 0x82, 9),
                    paint(0xfb, 0xbc, 0x64, 3),
                    paint(0xd7, 0xd0, 0x6b, 11),
                    paint(0x9c, 0xd6, 0x7c, 10),
                    paint(0x5f, 0xc9, 0xa8, 2),
                    paint(0x67, 0xcd, 0xe0, 14),
                    paint(0x8a, 0xb4, 0xf8, 12),
                    paint(0xae, 0x9d, 0xf7, 5),
                    paint(0xd7, 0x9b, 0xee, 13),
                    paint(0xf4, 0x9a, 0xc1, 13),
                    paint(0xc9, 0xb0, 0x93, 3),
                    paint(0x9f, 0xc3, 0xc9, 6),
                ],
            },
            Background::Light => Self {
                quiet: paint(0x6a, 0x70, 0x7a, 8),
                alarm: paint(0xb3, 0x1d, 0x12, 1),
                mention: paint(0x9a, 0x52, 0x00, 3),
                unread: paint(0xb3, 0x1d, 0x12, 1),
                bar_text: paint(0x1f, 0x25, 0x30, 0),
                bar: paint(0xd6, 0xdd, 0xea, 7),
                border: paint(0xb4, 0xba, 0xc4, 7),
                active: paint(0x00, 0x00, 0x00, 0),
                chosen_text: paint(0xff, 0xff, 0xff, 15),
                chosen: paint(0x1a, 0x5f, 0xc4, 4),
                popup_text: paint(0x1f, 0x25, 0x30, 0),
                popup: paint(0xea, 0xee, 0xf5, 7),
                link: paint(0x1a, 0x5f, 0xc4, 4),
                names: vec![
                    paint(0xb3, 0x26, 0x1e, 1),
                    paint(0x9a, 0x52, 0x00, 3),
                    paint(0x73, 0x62, 0x00, 3),
                    paint(0x38, 0x73, 0x1b, 2),
                    paint(0x0b, 0x73, 0x57, 2),
                    paint(0x00, 0x6f, 0x87, 6),
                    paint(0x1a, 0x5f, 0xc4, 4),
                    paint(0x5b, 0x47, 0xc4, 5),
                    paint(0x8a, 0x3a, 0xab, 5),
                    paint(0xa8, 0x2f, 0x68, 5),
                    paint(0x7a, 0x56, 0x2c, 3),
                    paint(0x37, 0x66, 0x6e, 6),
                ],
            },
        }
    }
}

impl Theme {
    /// A palette on a terminal of so many colours.
    pub(crate) fn new(palette: &Palette, depth: Depth) -> Self {
        let text = Style::new();
        let of = |paint: Paint| if depth == Depth::None { text } else { text.fg(colour(paint, depth)) };
        let on = |front: Paint, back: Paint| match depth {
            Depth::None => text.add_modifier(Modifier::REVERSED),
            Depth::Sixteen | Depth::Indexed | Depth::True => {
                text.fg(colour(front, depth)).bg(colour(back, depth))
            }
        };
        let popup = if depth == Depth::None { text } else { on(palette.popup_text, palette.popup) };
        Self {
            text,
            quiet: if depth == Depth::None { text.add_modifier(Modifier::DIM) } else { of(palette.quiet) },
            alarm: of(palette.alarm).add_modifier(Modifier::BOLD),
            mention: of(palette.mention).add_modifier(Modifier::BOLD),
            unread: of(palette.unread),
            day: of(palette.quiet),
            bar: on(palette.bar_text, palette.bar),
            bar_strong: on(palette.bar_text, palette.bar).add_modifier(Modifier::BOLD),
            border: of(palette.border),
            active: of(palette.active).add_modifier(Modifier::BOLD),
            chosen: on(palette.chosen_text, palette.chosen),
            popup,
            found: text.add_modifier(Modifier::REVERSED),
            link: of(palette.link).add_modifier(Modifier::UNDERLINED),
            names: palette.names.iter().map(|paint| of(*paint)).collect(),
        }
    }

    /// The style that a name always has.
    pub(crate) fn name(&self, name: &str) -> Style {
        let index = name_hash(name) as usize % self.names.len().max(1);
        let style = self.names.get(index).copied().unwrap_or(self.text);
        style.add_modifier(Modifier::BOLD)
    }
}

fn colour(paint: Paint, depth: Depth) -> Color {
    let (red, green, blue) = paint.rgb;
    match depth {
        Depth::None => Color::Reset,
        Depth::Sixteen => Color::Indexed(paint.sixteenth),
        Depth::Indexed => Color::Indexed(nearest_of_256(paint.rgb)),
        Depth::True => Color::Rgb(red, green, blue),
    }
}

/// The nearest of the colours from 16 on, which are the same on all terminals: a cube and a row of greys.
fn nearest_of_256((red, green, blue): (u8, u8, u8)) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a| distance(a, (red, green, blue));
    let step = |value: u8| (0..6_u8).min_by_key(|at| STEPS[usize::from(*at)].abs_diff(value)).unwrap_or(0);
    let at = |step: u8| STEPS[usize::from(step)];
    let (r, g, b) = (step(red), step(green), step(blue));
    let cube = (distance((at(r), at(g), at(b))), 16 + 36 * r + 6 * g + b);
    let grey = (0..24_u8)
        .map(|number| {
            let value = 8 + 10 * number;
            (distance((value, value, value)), 232 + number)
        })
        .min();
    grey.map_or(cube, |grey| grey.min(cube)).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_at_any_depth() {
        for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
            let theme = Theme::new(&Palette::of(Background::Dark), depth);
            assert_eq!(theme.name("ana"), theme.name("ana"));
        }
        let theme = Theme::new(&Palette::of(Background::Dark), Depth::True);
        let styles: std::collections::HashSet<_> =
            ["ana", "bob", "cleo", "dan", "eve", "fay"].map(|name| format!("{:?}", theme.name(name))).into();
        assert!(styles.len() > 2, "{styles:?}");
    }

    #[test]
    fn without_colours_nothing_is_coloured() {
        let theme = Theme::new(&Palette::of(Background::Light), Depth::None);
        for style in [theme.quiet, theme.alarm, theme.bar, theme.chosen, theme.link, theme.name("ana")] {
            assert_eq!((style.fg, style.bg), (None, None), "{style:?}");
        }
    }

    #[test]
    fn true_colours_have_a_near_one_of_256() {
        assert_eq!(nearest_of_256((255, 255, 255)), 231);
        assert_eq!(nearest_of_256((0, 0, 0)), 16);
        assert_eq!(nearest_of_256((138, 138, 138)), 245);
        assert_eq!(nearest_of_256((255, 0, 0)), 196);
    }
}
