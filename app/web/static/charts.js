// Draws the charts of a page from their tables. Times are UTC, as in the tables.
"use strict";

(() => {
  const HEIGHT = 190;
  // Lines differ in more than their colour.
  const LOOKS = {
    accepted: { colour: "--info", dash: [6, 3] },
    delivered: { colour: "--good", fill: true },
    failed: { colour: "--bad" },
    p50: { colour: "--good" },
    p95: { colour: "--warn", dash: [6, 3] },
    p99: { colour: "--bad", dash: [2, 3] },
  };
  const drawn = new Map();

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const duration = (value) => {
    if (value == null) return "–";
    return value < 1000 ? `${Number(value.toFixed(value < 10 ? 2 : 0))} ms` : `${(value / 1000).toFixed(value < 10000 ? 1 : 0)} s`;
  };
  const count = (value) => (value == null ? "–" : value.toLocaleString("en"));

  const two = (value) => String(value).padStart(2, "0");
  const clock = (seconds) => {
    const at = new Date(seconds * 1000);
    return { day: `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`, time: `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}` };
  };
  // Of spans of a day and more the day; else the time, and at midnight the day below it.
  const ticks = (_chart, splits, _axis, _space, step) => splits.map((seconds) => {
    const { day, time } = clock(seconds);
    if (step >= 86400) return day;
    return time === "00:00" ? `${time}\n${day}` : time;
  });
  const moment = (seconds) => {
    if (seconds == null) return "–";
    const { day, time } = clock(seconds);
    return `${day} ${time} UTC`;
  };

  const read = (table, names) => {
    const headers = [...table.tHead.rows[0].cells];
    const places = names.map((name) => headers.findIndex((cell) => cell.dataset.column === name));
    // The newest row is the first.
    const rows = [...table.tBodies[0].rows].reverse();
    const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
    const values = places.map((place) => rows.map((row) => {
      const value = row.cells[place].dataset.value;
      return value === "" ? null : Number(value);
    }));
    return { labels: places.map((place) => headers[place].textContent), data: [times, ...values] };
  };

  const options = (element, names, labels, width) => {
    const show = element.dataset.chart === "duration" ? duration : count;
    const axis = { stroke: style("--muted"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
    return {
      width,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_chart, _low, high) => [0, Math.max(high * 1.08, 1)] } },
      axes: [{ ...axis, values: ticks }, { ...axis, size: 62, values: (_chart, splits) => splits.map(show) }],
      series: [
        { label: "Time", value: (_chart, seconds) => moment(seconds) },
        ...names.map((name, place) => ({
          label: labels[place],
          stroke: style(LOOKS[name].colour),
          fill: LOOKS[name].fill ? `${style(LOOKS[name].colour)}22` : undefined,
          dash: LOOKS[name].dash,
          width: 2,
          points: { show: element.dataset.chart === "duration", size: 5 },
          value: (_chart, value) => show(value),
        })),
      ],
    };
  };

  const draw = (element) => {
    const table = document.getElementById(element.dataset.table);
    const width = Math.floor(element.clientWidth);
    if (!table || !width) return;
    const names = element.dataset.columns.split(" ");
    const { labels, data } = read(table, names);
    element.replaceChildren();
    const chart = new uPlot(options(element, names, labels, width), data, element);
    const observer = new ResizeObserver(() => {
      const now = Math.floor(element.clientWidth);
      if (now && now !== chart.width) chart.setSize({ width: now, height: HEIGHT });
    });
    observer.observe(element);
    drawn.set(element, { chart, observer });
  };

  const forget = (element) => {
    const { chart, observer } = drawn.get(element);
    observer.disconnect();
    chart.destroy();
    drawn.delete(element);
  };

  const drawAll = () => {
    for (const element of [...drawn.keys()]) if (!element.isConnected) forget(element);
    for (const element of document.querySelectorAll("[data-chart]")) if (!drawn.has(element)) draw(element);
  };

  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  // The colours are those of the theme.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const element of [...drawn.keys()]) forget(element);
    drawAll();
  });
})();
