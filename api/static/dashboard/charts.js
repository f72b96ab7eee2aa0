// Charts over the API's own answers: prices, equity beside its benchmark, index levels.
"use strict";

const MINUS = "\u2212";
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
const number = (value, digits) =>
  value == null ? "–" : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", MINUS);
const percent = (value) => (value == null ? "–" : `${number(value * 100, 1)}%`);
const compact = (value) =>
  value == null ? "–" : value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function mean(values, length) {
  let sum = 0;
  return values.map((value, at) => {
    sum += value ?? 0;
    if (at >= length) sum -= values[at - length] ?? 0;
    return at >= length - 1 ? sum / length : null;
  });
}

// What returns of each day make of 1 at the first.
function grown(returns, start) {
  let level = start;
  return returns.map((value, at) => (level *= at ? 1 + (value ?? 0) : 1));
}

const KINDS = {
  price(body, box) {
    const { trade_date, close, volume_shares, is_suspect } = body.data;
    const kept = [...close.keys()].filter((at) => close[at] != null && !is_suspect[at]);
    const bars = kept.map((at) => ({ trade_date: trade_date[at], close: close[at], volume_shares: volume_shares[at] }));
    const closes = bars.map((bar) => bar.close);
    const digits = Math.max(...closes) < 1 ? 4 : 2;
    return {
      data: [bars.map((bar) => seconds(bar.trade_date)), closes, mean(closes, 50), mean(closes, 200)],
      lines: [
        { label: `Close ${box.dataset.unit}`, color: "--accent", fill: "--accent-soft", format: (v) => number(v, digits) },
        { label: "50 sessions", color: "--series-2", format: (v) => number(v, digits) },
        { label: "200 sessions", color: "--series-3", format: (v) => number(v, digits) },
      ],
      axis: (v) => number(v, digits === 4 ? 3 : Math.max(...closes) < 20 ? 1 : 0),
      below: { data: bars.map((bar) => bar.volume_shares), label: "Volume", color: "--muted", format: compact, bars: true },
    };
  },
  equity(body) {
    const days = body.data.equity;
    return {
      data: [days.map((day) => seconds(day.trade_date)), days.map((day) => day.equity), grown(days.map((day) => day.benchmark_return_1d), days[0].equity)],
      lines: [
        { label: "Book", color: "--accent", fill: "--accent-soft", format: (v) => number(v, 3) },
        { label: "Benchmark", color: "--series-2", format: (v) => number(v, 3) },
      ],
      axis: (v) => number(v, 1),
      below: { data: days.map((day) => day.drawdown), label: "Drawdown", color: "--down", format: percent, fill: "--down-soft" },
    };
  },
  account(body) {
    const days = body.data.account;
    return {
      data: [days.map((day) => seconds(day.trade_date)), days.map((day) => day.equity), grown(days.map((day) => day.benchmark_return_1d), days[0].equity)],
      lines: [
        { label: "Account", color: "--accent", fill: "--accent-soft", format: (v) => number(v, 0) },
        { label: "Benchmark", color: "--series-2", format: (v) => number(v, 0) },
      ],
      axis: compact,
      below: { data: days.map((day) => day.drawdown), label: "Drawdown", color: "--down", format: percent, fill: "--down-soft" },
    };
  },
  trades(body) {
    const gains = new Map();
    for (const trade of [...body.data].reverse()) gains.set(trade.exit_date, (gains.get(trade.exit_date) ?? 0) + trade.pnl);
    let sum = 0;
    return {
      data: [[...gains.keys()].map(seconds), [...gains.values()].map((gain) => (sum += gain))],
      lines: [{ label: "Gained so far", color: "--accent", fill: "--accent-soft", format: (v) => number(v, 0) }],
      axis: compact,
      below: { data: [...gains.values()], label: "Gain of the session", color: "--muted", format: (v) => number(v, 0), axis: compact, bars: true },
    };
  },
  index(body) {
    const days = body.data;
    return {
      data: [days.map((day) => seconds(day.as_of_date)), days.map((day) => day.value), grown(days.map((day) => day.benchmark_return_1d), days[0].value)],
      lines: [
        { label: "Index", color: "--accent", fill: "--accent-soft", format: (v) => number(v, 2) },
        { label: "Benchmark", color: "--series-2", format: (v) => number(v, 2) },
      ],
      axis: (v) => number(v, 0),
    };
  },
};

// First instant of a period that ends at the last bar.
function since(period, last) {
  const months = { "3m": 3, "6m": 6, "1y": 12, "3y": 36, "5y": 60 }[period];
  if (!months) return null;
  const day = new Date(last * 1000);
  return day.setUTCMonth(day.getUTCMonth() - months) / 1000;
}

// Days, months and years as the rest of the page writes them: 3 Jun, with the year below where it begins.
const SECONDS_OF_DAY = 86400;
const STEPS_IN_DAYS = [1, 2, 3, 5, 7, 10, 15, 30, 60, 90, 120, 180, 365, 730, 1825, 3650];
const DAYS_OF_STEPS = [
  [365 * SECONDS_OF_DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [30 * SECONDS_OF_DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [SECONDS_OF_DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
];

function axes(format, isLast) {
  const shared = { stroke: css("--muted"), font: `11px ${css("--sans")}`, grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false } };
  return [
    { ...shared, show: isLast, grid: { show: false }, space: 72, size: 40, incrs: STEPS_IN_DAYS.map((days) => days * SECONDS_OF_DAY), values: DAYS_OF_STEPS },
    { ...shared, side: 1, size: 52, space: 34, values: (_, ticks) => ticks.map(format) },
  ];
}

function series(line) {
  return {
    label: line.label, stroke: css(line.color), width: line.bars ? 0 : 1.5, points: { show: false },
    fill: line.bars ? css("--bars") : line.fill ? css(line.fill) : undefined,
    paths: line.bars ? uPlot.paths.bars({ size: [0.7, 8] }) : undefined,
    value: (u, value, of) => line.format(value ?? u.data[of].at(-1)),
  };
}

function plot(box, parts, width) {
  const tall = Math.max(180, Math.min(340, width * 0.42));
  const day = { label: "Day", value: (u, at) => DAY.format((at ?? u.data[0].at(-1)) * 1000) };
  const zone = (at) => uPlot.tzDate(new Date(at * 1000), "UTC");
  const legend = { live: true, markers: { width: 0, fill: (u, at) => u.series[at].stroke?.(u, at) } };
  const first = since(box.dataset.period, parts.data[0].at(-1));
  const x = { time: true, range: (_, min, max) => [first == null ? min : Math.max(first, min), max] };
  const cursor = { sync: { key: box.dataset.url, setSeries: false }, points: { size: 6 }, drag: { x: false, y: false } };
  const upper = new uPlot(
    { width, height: tall, tzDate: zone, cursor, legend, padding: [8, 0, 0, 18], scales: { x }, axes: axes(parts.axis, !parts.below), series: [day, ...parts.lines.map(series)] },
    parts.data, box);
  if (!parts.below) return [upper];
  const range = parts.below.bars ? (_, min, max) => [Math.min(min, 0) * 1.1, (max > 0 ? max : 1) * 1.1] : (_, min) => [(min || -0.01) * 1.1, 0];
  const lower = new uPlot(
    { width, height: 110, tzDate: zone, cursor, legend, padding: [8, 0, 0, 18], scales: { x, y: { range } }, axes: axes(parts.below.axis ?? parts.below.format, true), series: [day, series(parts.below)] },
    [parts.data[0], parts.below.data], box);
  return [upper, lower];
}

function draw(box) {
  const state = box.state;
  if (!state.parts) return;
  const width = Math.floor(box.clientWidth);
  state.plots.forEach((each) => each.destroy());
  box.replaceChildren();
  state.plots = plot(box, state.parts, width);
  state.width = width;
  box.dataset.drawn = box.dataset.period ?? "yes";
}

async function load(box) {
  try {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    box.state.parts = KINDS[box.dataset.chart](body, box);
    draw(box);
  } catch (error) {
    box.state.parts = null;
    const said = document.createElement("p");
    said.className = "none";
    said.textContent = error.message || "The server does not answer. Is it running?";
    box.replaceChildren(said);
  }
}

function start(box) {
  box.state = { plots: [], parts: null, width: 0 };
  new ResizeObserver(() => { if (Math.floor(box.clientWidth) !== box.state.width) draw(box); }).observe(box);
  load(box);
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-period]") : null;
  if (!button) return;
  const box = button.closest(".panel").querySelector(".chart");
  button.parentElement.querySelectorAll("button").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
  box.dataset.period = button.dataset.period;
  draw(box);
});
document.addEventListener("theme", () => document.querySelectorAll(".chart").forEach((box) => box.state && draw(box)));
document.querySelectorAll(".chart").forEach(start);
