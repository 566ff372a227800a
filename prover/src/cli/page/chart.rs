//! Charts as SVG text.

use anyhow::anyhow;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height of a chart.
const SIZE: (u32, u32) = (760, 400);
const FONT: (&str, u32) = ("sans-serif", 13);
/// Colours that stay apart for the colour-blind (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(80, 80, 80),
];

/// A line of a chart.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the figures are modelled, not measured: drawn hollow.
    pub(crate) modelled: bool,
}

/// What stands at a chart's edges.
pub(crate) struct Labels<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    /// How a value of the horizontal axis is written.
    pub(crate) x_format: fn(f64) -> String,
    pub(crate) y: &'a str,
}

/// An axis from one whole number to another: exponents, where it is logarithmic.
#[derive(Clone)]
struct Whole {
    from: f64,
    to: f64,
}

impl Whole {
    /// The least range that holds all values.
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let (from, to) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (from, to) = (from.floor(), to.ceil());
        Self {
            from,
            to: if to > from { to } else { from + 1.0 },
        }
    }
}

impl Ranged for Whole {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let count = (self.to - self.from) as usize + 1;
        let step = count.div_ceil(hint.max_num_points().max(2));
        (0..count).step_by(step).map(|i| self.from + i as f64).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// A count and the prefix of the unit that follows: `1.5 M`.
pub(crate) fn prefixed(value: f64) -> String {
    let steps = [
        (1e12, " T"),
        (1e9, " G"),
        (1e6, " M"),
        (1e3, " k"),
        (1.0, " "),
        (1e-3, " m"),
        (1e-6, " µ"),
    ];
    let (unit, name) = steps
        .into_iter()
        .find(|(unit, _)| value.abs() >= *unit)
        .unwrap_or((1.0, " "));
    let scaled = value / unit;
    let digits = if scaled.abs() >= 100.0 || scaled.fract() == 0.0 {
        0
    } else {
        2
    };
    format!("{scaled:.digits$}{name}")
}

/// The power of two with that exponent.
pub(crate) fn power_of_two(exponent: f64) -> String {
    format!("2^{exponent:.0}")
}

/// Lines; the vertical axis is logarithmic, and so is the horizontal one where exponents are given.
pub(crate) fn lines(labels: &Labels<'_>, series: &[Series]) -> anyhow::Result<String> {
    let log = |y: f64| y.max(f64::MIN_POSITIVE).log10();
    let xs = Whole::around(series.iter().flat_map(|s| &s.points).map(|(x, _)| *x));
    let ys = Whole::around(series.iter().flat_map(|s| &s.points).map(|(_, y)| log(*y)));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let fail = |error: &dyn std::fmt::Display| anyhow!("cannot draw '{}': {error}", labels.title);
        area.fill(&WHITE).map_err(|e| fail(&e))?;
        let mut chart = ChartBuilder::on(&area)
            .caption(labels.title, ("sans-serif", 16))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(xs, ys)
            .map_err(|e| fail(&e))?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(labels.x)
            .y_desc(labels.y)
            .label_style(FONT)
            .x_label_formatter(&|x| (labels.x_format)(*x))
            .y_label_formatter(&|y| prefixed(10f64.powf(*y)).trim_end().to_owned())
            .draw()
            .map_err(|e| fail(&e))?;
        for (i, one) in series.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let style = colour.stroke_width(if one.modelled { 1 } else { 2 });
            let points: Vec<_> = one.points.iter().map(|(x, y)| (*x, log(*y))).collect();
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))
                .map_err(|e| fail(&e))?
                .label(one.name.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            let mark = if one.modelled {
                colour.stroke_width(1)
            } else {
                colour.filled()
            };
            chart
                .draw_series(points.iter().map(|point| Circle::new(*point, 4, mark)))
                .map_err(|e| fail(&e))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(FONT)
            .draw()
            .map_err(|e| fail(&e))?;
        area.present().map_err(|e| fail(&e))?;
    }
    Ok(svg)
}

/// Horizontal bars, each a sum of parts.
pub(crate) fn bars(title: &str, parts: &[&str], rows: &[(String, Vec<f64>)], unit: &str) -> anyhow::Result<String> {
    const ROW: i32 = 34;
    const LEFT: i32 = 190;
    const RIGHT: i32 = 110;
    let (width, height) = (SIZE.0 as i32, 76 + ROW * rows.len() as i32);
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let longest = rows
        .iter()
        .map(|(_, values)| sum(values))
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, height as u32)).into_drawing_area();
        let fail = |error: &dyn std::fmt::Display| anyhow!("cannot draw '{title}': {error}");
        let text = |text: &str, at: (i32, i32), size: u32, to: HPos| {
            let style = ("sans-serif", size)
                .into_text_style(&area)
                .pos(Pos::new(to, VPos::Center));
            area.draw(&Text::new(text.to_owned(), at, style)).map_err(|e| fail(&e))
        };
        area.fill(&WHITE).map_err(|e| fail(&e))?;
        text(title, (width / 2, 16), 16, HPos::Center)?;
        for (i, part) in parts.iter().enumerate() {
            let x = LEFT + 150 * i as i32;
            let corners = [(x, 36), (x + 12, 48)];
            area.draw(&Rectangle::new(corners, COLOURS[i % COLOURS.len()].filled()))
                .map_err(|e| fail(&e))?;
            text(part, (x + 18, 42), 13, HPos::Left)?;
        }
        for (i, (name, values)) in rows.iter().enumerate() {
            let y = 60 + ROW * i as i32;
            text(name, (LEFT - 8, y + ROW / 2), 13, HPos::Right)?;
            let mut done = 0.0;
            let place = |value: f64| LEFT + (f64::from(width - LEFT - RIGHT) * value / longest) as i32;
            for (part, value) in values.iter().enumerate() {
                let corners = [(place(done), y + 6), (place(done + value), y + ROW - 6)];
                let colour = COLOURS[part % COLOURS.len()];
                area.draw(&Rectangle::new(corners, colour.filled()))
                    .map_err(|e| fail(&e))?;
                done += value;
            }
            text(
                &format!("{}{unit}", prefixed(done)),
                (place(done) + 6, y + ROW / 2),
                13,
                HPos::Left,
            )?;
        }
        area.present().map_err(|e| fail(&e))?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn counts_have_prefixes() {
        for (value, text) in [
            (0.0, "0 "),
            (999.0, "999 "),
            (1500.0, "1.50 k"),
            (2e9, "2 G"),
            (0.25, "250 m"),
            (1.25, "1.25 "),
        ] {
            assert_eq!(prefixed(value), text);
        }
    }

    #[test]
    fn charts_are_svg_and_name_their_series() {
        let series = |name: &str, modelled| Series {
            name: name.to_owned(),
            points: vec![(10.0, 1e6), (12.0, 3e6)],
            modelled,
        };
        let labels = Labels {
            title: "Throughput",
            x: "size",
            x_format: power_of_two,
            y: "points/s",
        };
        let svg = lines(&labels, &[series("cpu", false), series("rtl", true)]).unwrap();
        for part in ["<svg", "Throughput", "cpu", "rtl", "2^10", "</svg>"] {
            assert!(svg.contains(part), "{part}");
        }
        let one = lines(
            &labels,
            &[Series {
                points: vec![(4.0, 5.0)],
                ..series("one", false)
            }],
        )
        .unwrap();
        assert!(one.contains("<circle"));
        let svg = bars("Proof", &["host", "MSM"], &[("cpu".to_owned(), vec![1.0, 2.0])], "s").unwrap();
        assert!(svg.contains("3 s") && svg.contains("host"));
    }
}
