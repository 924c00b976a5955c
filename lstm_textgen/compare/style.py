"""How plots and their page look: light and dark, from a phone's width on."""

COLOURS = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c1c1e; --soft: #5c5c63;
  --grid: #e4e4e8; --edge: #d0d0d6; --lstm: #0072b2; --gru: #00835f; --rnn: #c44e00; }
@media (prefers-color-scheme: dark) { :root { --page: #16171a; --ink: #ececf0;
  --soft: #a4a4ad; --grid: #2d2e33; --edge: #44454c; --lstm: #5bb4ea; --gru: #2fc79a;
  --rnn: #ff9a57; } }
"""

PLOT = """
svg text { fill: var(--soft); font-size: 13px; font-family: inherit; }
svg .name { fill: var(--ink); }
.grid { stroke: var(--grid); }
.baseline { stroke: var(--soft); stroke-dasharray: 4 4; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.band { stroke: none; opacity: .16; }
.line.lstm { stroke: var(--lstm); } .band.lstm, .mark.lstm { fill: var(--lstm); }
.line.gru { stroke: var(--gru); } .band.gru, .mark.gru { fill: var(--gru); }
.line.rnn { stroke: var(--rnn); } .band.rnn, .mark.rnn { fill: var(--rnn); }
"""

PAGE = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2em 0 .4em; }
p, li { max-width: 74ch; overflow-wrap: anywhere; }
a { color: var(--lstm); }
.small, .cautions { font-size: .87rem; color: var(--soft); }
.honest { border-left: 4px solid var(--edge); padding-left: 12px; }
.charts { display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 4px; }
svg { width: 100%; max-width: 560px; height: auto; display: block; }
code { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 3px 14px 3px 0; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: 400; color: var(--soft); }
th.part { font-weight: 600; color: var(--ink); padding-top: 10px; }
"""
