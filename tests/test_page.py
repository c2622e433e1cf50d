"""A notebook's page: structure, equations, outputs, hostile data, size, and our own checks."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from evalkit import markup
from evalkit.errors import RunError
from evalkit.report import audit
from evalkit.report.clean import is_allowed_link
from evalkit.report.equations import mathml
from evalkit.report.page import PageContext, problems, render
from evalkit.report.register import Register
from evalkit.report.templates import _environment

TITLE = v4.new_markdown_cell("# Did it work?")
ALT = "A line of monthly shares that rises after month 24."
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="java\tscript:alert(1)">x</a>',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    '<p style="background:url(https://evil.example/x)">x</p>',
    "</details></div></main><h1>owned</h1><details>",
    '<div id="main" class="masthead">x</div>',
    "<style>body{display:none}</style>",
    '<iframe src="https://evil.example"></iframe>',
    "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
    '"><base href="https://evil.example"><link rel=stylesheet href=//evil.example>',
    "<form action=https://evil.example><input name=q></form>",
    "\x00\x1b[31m\ud800 broken text",
)


def context(**changes) -> PageContext:
    facts = {
        "study": "uec",
        "study_title": "Urgent care",
        "outcome_label": "Seen within four hours",
        "question": "Did more people wait less?",
        "simulated": False,
        "pages": (("its.html", "Interrupted time series"), ("findings.html", "Findings")),
        "provenance": (("Protocol", "sha256 9f86d0"),),
    }
    return PageContext(**{**facts, **changes})


def shown(data: dict, **metadata):
    return v4.new_output("display_data", data, metadata=metadata)


def code(*outputs, source: str = "show(path)", tags: tuple[str, ...] = ()):
    return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def page(*cells, **changes) -> str:
    notebook = v4.new_notebook(cells=[TITLE, *cells])
    return render(notebook, context(**changes))


def main(html: str) -> str:
    return html[html.index("<main") : html.index("</main>")]


def markdown(text: str):
    return v4.new_markdown_cell(text)


def figure(size: int = 12_000) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{"<!--x-->" * (size // 8)}</svg>'.encode()
    data = markup.table(["Month", "Share"], [["2022-01", "71.2"]] * 12, "Share by month", [False, True])
    return markup.figure(svg, ALT, "Share by month", data)


class TestStructure:
    def test_a_page_stands_alone(self):
        html = page(markdown("## Method\n\nSee [it](https://www.gov.uk)."), code(shown({"text/html": figure()})))
        assert html.startswith('<!doctype html>\n<html lang="en-GB">')
        assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
        assert '<meta name="referrer" content="no-referrer">' in html
        assert "<script" not in html
        assert not re.search(r'(?:src|srcset)="(?!data:)', html)
        assert problems(html) == []

    def test_landmarks_occur_once_and_navigation_is_named(self):
        html = page(markdown("## Method"))
        for tag in ("header", "main", "footer", "h1"):
            assert html.count(f"<{tag}") == 1
        assert len(re.findall(r"<nav", html)) == len(set(re.findall(r'<nav[^>]* aria-label="([^"]+)"', html)))
        assert 'class="skip" href="#main"' in html

    def test_the_title_is_the_first_top_heading(self):
        html = page(markdown("# Another `top`\n\n#### Deep\n\n#### Deep too"))
        assert "<title>Did it work? - Urgent care</title>" in html
        assert '<h2 id="another-top">Another <code>top</code></h2>' in html
        assert html.count("<h3 id=") == 2
        assert problems(html) == []

    def test_no_title_is_refused(self):
        with pytest.raises(RunError, match="no title"):
            render(v4.new_notebook(cells=[markdown("## Only a section")]), context())

    def test_contents_link_to_sections_with_stable_unique_anchors(self):
        html = page(markdown("## Method\n\n## Method\n\n## Main\n\n## Provenance\n\n## ???"))
        links = re.findall(r'<li><a href="#([^"]+)">', html)
        assert links == ["method", "method-2", "main-2", "provenance-2", "section", "provenance"]
        assert problems(html) == []

    def test_the_current_page_is_marked(self):
        html = page(file="findings.html")
        assert re.findall(r'href="([^"]+)" aria-current="page"', html) == ["findings.html"]
        assert 'href="../index.html">All evaluations' in page(index="../index.html")

    def test_simulated_data_are_announced_on_screen_in_the_tab_and_in_print(self):
        html = page(simulated=True)
        assert "<strong>Simulated data:</strong>" in html
        assert "(simulated data)</title>" in html
        assert '@top-left { content: "Simulated data" }' in html
        assert "imulated data" not in page()

    def test_provenance_and_parameters_stand_in_the_footer(self):
        html = page(
            code(source='outcome = "x"', tags=("parameters",)),
            code(source='outcome = "y"', tags=("injected-parameters",)),
        )
        footer = html[html.index("<footer") :]
        assert "<dt>Protocol</dt><dd>sha256 9f86d0</dd>" in footer
        assert footer.index("&quot;y&quot;") < footer.index("&quot;x&quot;")
        assert "outcome" not in main(html)
        assert problems(html) == []

    def test_the_same_input_gives_the_same_bytes_and_input_is_left_alone(self):
        notebook = v4.new_notebook(cells=[TITLE, code(shown({"text/html": figure()}))])
        before = str(notebook)
        assert render(notebook, context()) == render(notebook, context())
        assert str(notebook) == before

    def test_a_page_with_four_figures_stays_small(self):
        html = page(*[code(shown({"text/html": figure()})) for _ in range(4)])
        assert len(html.encode()) <= 120_000


class TestProse:
    def test_raw_html_stays_text(self):
        html = main(page(markdown("<b>bold</b> <script>alert(1)</script>")))
        assert "&lt;b&gt;bold" in html
        assert "<script" not in html

    def test_equations_become_mathml_that_says_its_tex(self):
        html = page(markdown("For $t < T_0$:\n\n$$Y_t = \\frac{a}{b}$$\n\nand $$x^2$$ here."))
        assert 'alttext="t &lt; T_0"' in html
        assert html.count('display="block"') == 2
        assert html.count('role="group" tabindex="0" aria-label="Equation') == 2
        assert "$" not in main(html)
        assert problems(html) == []

    def test_a_long_equation_in_a_sentence_scrolls_by_itself(self):
        html = page(markdown(f"so ${' + '.join('abcdefghijklmnop')} = 0$ and $x$ follow"))
        assert html.count('<span class="scroll inline" role="group" tabindex="0"') == 1

    @pytest.mark.parametrize(
        "tex",
        [
            r"\frac{a",
            r"\left(",
            r"\unknown x",
            r"\text{\unknown}",
            r"a & b",
            r"\begin{tikzpicture}x\end{tikzpicture}",
            r"\href{javascript:alert(1)}{x}",
            r"\color{red}{x}",
            "{" * 500 + "}" * 500,
        ],
    )
    def test_an_equation_that_cannot_be_shown_names_its_cell(self, tex):
        with pytest.raises(RunError, match=r"cell 2: the equation"):
            page(markdown(f"$${tex}$$"))

    def test_text_in_an_equation_is_text(self):
        html = mathml(r"\text{<script>alert(1)</script> a \& b, 5\%}", display=False)
        assert "<script" not in html
        assert "&amp;" in html
        assert "<mtd" in mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)

    @pytest.mark.parametrize(
        ("address", "allowed"),
        [
            ("https://www.gov.uk", True),
            ("mailto:a@b.example", True),
            ("findings.html#method", True),
            ("../index.html", True),
            ("#method", True),
            ("http://www.gov.uk", False),
            ("javascript:alert(1)", False),
            ("JAVASCRIPT:alert(1)", False),
            ("java\tscript:alert(1)", False),
            ("data:text/html,x", False),
            ("//evil.example", False),
            ("\\\\evil.example", False),
            ("file:///etc/passwd", False),
        ],
    )
    def test_links_lead_only_to_safe_places(self, address, allowed):
        assert is_allowed_link(address) is allowed
        html = main(page(markdown(f"[words](<{address}>)")))
        assert "words" in html
        links = re.findall(r'<a href="([^"]*)">words', html)
        assert all(is_allowed_link(link) for link in links)
        assert bool(links) or not allowed

    def test_an_image_must_be_embedded_and_described(self):
        pixel = base64.b64encode(b"png").decode()
        assert f'alt="{ALT}"' in page(markdown(f"![{ALT}](data:image/png;base64,{pixel})"))
        for text in ("![x](https://evil.example/x.png)", f"![](data:image/png;base64,{pixel})"):
            with pytest.raises(RunError, match="cell 2: the image"):
                page(markdown(text))

    def test_a_markdown_table_gets_caption_scopes_alignment_and_a_scrolling_region(self):
        html = page(markdown("Table: Terms\n\n| term | value |\n|---|---:|\n| a | 1 |"))
        assert 'role="region" tabindex="0" aria-label="Table: Terms"' in html
        assert "<caption>Terms</caption>" in html
        assert '<table class="n2">' in html
        assert '<th scope="col">value' in html
        assert problems(html) == []


class TestOutputs:
    def test_code_is_folded_coloured_and_reachable(self):
        html = page(code(source="for x in (1, 'a<b'):  # why\n    pass"), code(source="y"), code(source=" "))
        assert html.count('<details class="code"><summary>Code') == 2
        assert '<span class="kw">for</span>' in html
        assert "&#x27;a&lt;b&#x27;" in html
        assert "style=" not in html
        assert 'role="region" tabindex="0" aria-label="Code of cell 2"' in html

    def test_html_comes_before_other_representations(self):
        data = {"text/html": "<p>rich</p>", "text/markdown": "*md*", "text/plain": "plain"}
        assert "<p>rich</p>" in page(code(shown(data)))
        del data["text/html"]
        assert "<em>md</em>" in page(code(shown(data)))
        data["text/html"] = "<script>draw()</script>"
        assert "<em>md</em>" in page(code(shown(data)))
        del data["text/markdown"]
        assert '<pre class="result">plain</pre>' in page(code(shown(data)))

    def test_script_and_widgets_are_dropped(self):
        html = page(
            code(shown({"application/javascript": "alert(1)", "text/html": "<script>alert(1)</script>"})),
            code(shown({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntProgress()"})),
        )
        assert "alert" not in html
        assert "IntProgress" not in html

    @pytest.mark.parametrize("mime", ["image/svg+xml", "image/png"])
    def test_a_picture_needs_a_description(self, mime):
        data = {mime: "<svg/>" if "svg" in mime else "aGVs\nbG8="}
        for metadata in ({"alt": ALT}, {mime: {"alt": ALT}}):
            html = page(code(shown(data, **metadata)))
            assert f'<img alt="{ALT}" src="data:{mime};base64,' in html
            assert problems(html) == []
        for metadata in ({}, {"alt": " "}, {mime: {"width": 3}}):
            with pytest.raises(RunError, match="cell 2: a picture has no description"):
                page(code(shown(data, **metadata)))

    def test_a_picture_that_is_not_base64_is_refused(self):
        with pytest.raises(RunError, match="base64"):
            page(code(shown({"image/png": '"><script>'}, alt=ALT)))

    def test_streams_are_joined_and_messages_titled(self):
        out = [v4.new_output("stream", name="stdout", text=text) for text in ("10%\r", "20%\r", "done\n")]
        html = page(code(*out, v4.new_output("stream", name="stderr", text="careful\n")))
        assert '<pre class="stream">done</pre>' in html
        assert "<strong>Messages</strong>" in html

    def test_text_in_columns_scrolls_in_a_named_region(self):
        text = "name     value\n" * 3 + "x" * 80
        html = page(*[code(v4.new_output("stream", name="stdout", text=text)) for _ in range(2)])
        assert 'aria-label="Printed by cell 2"' in html
        assert 'aria-label="Printed by cell 3"' in html

    def test_an_error_is_shown_and_the_page_says_it_is_incomplete(self):
        error = v4.new_output("error", ename="ValueError", evalue="<b>no</b>", traceback=["\x1b[0;31mbad\x1b[0m"])
        html = page(code(error))
        assert "This page is incomplete" in html
        assert "The run stopped here, in cell 2, with an error" in html
        assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in html
        assert "\x1b" not in html
        assert problems(html) == []

    def test_figures_and_their_data_are_regions_with_unique_names(self):
        html = page(code(shown({"text/html": figure()})), code(shown({"text/html": figure()})))
        assert 'aria-label="Figure: Share by month"' in html
        assert 'aria-label="Figure: Share by month (2)"' in html
        assert problems(html) == []

    def test_a_data_frame_table_gets_scopes_and_no_empty_header(self):
        raw = (
            '<style>x</style><table border="1" class="dataframe"><caption>c</caption><thead><tr><th></th>'
            '<th>a</th></tr></thead><tbody><tr><th style="x">0</th><td>1</td></tr></tbody></table>'
        )
        html = page(code(shown({"text/html": raw})))
        assert '<tr><td><th scope="col">a' in html
        assert '<th scope="row">0<td>' in html
        assert problems(html) == []

    def test_headings_in_outputs_stay_in_order_and_out_of_the_contents(self):
        cells = [
            code(shown({"text/html": "<h1>Loud</h1>", "text/plain": ""})),
            code(shown({"text/markdown": "# MD"})),
        ]
        html = page(markdown("## Method"), *cells)
        assert "<h3>Loud</h3>" in html
        assert "<h3>MD</h3>" in html
        assert problems(html) == []

    def test_latex_output_is_an_equation_or_its_text(self):
        assert "<mfrac" in page(code(shown({"text/latex": r"$\frac{a}{b}$"})))
        assert "frac" in main(page(code(shown({"text/latex": r"$\frac{a$"}))))


class TestHostile:
    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_nothing_from_data_can_run_load_or_pose(self, payload):
        outputs = [
            shown({"text/html": f"<p>{payload}</p>", "text/plain": payload}),
            shown({"text/html": markup.table([payload], [[payload]], payload)}),
            shown({"text/html": markup.notice(payload, [payload], "warning")}),
            shown({"text/markdown": payload}),
            shown({"text/plain": payload}),
            shown({"text/latex": payload}),
            shown({"image/png": "aGk="}, alt=payload + ALT),
            v4.new_output("stream", name="stdout", text=payload),
            v4.new_output("stream", name="stderr", text=payload),
            v4.new_output("error", ename=payload, evalue=payload, traceback=[payload]),
        ]
        cells = [markdown(f"## {payload}\n\n{payload}"), code(*outputs, source=payload)]
        html = page(
            *cells,
            study=payload,
            study_title=payload,
            outcome_label=payload,
            question=payload,
            pages=((payload, payload), ("javascript:alert(1)", "x")),
            provenance=((payload, payload),),
            index=payload,
        )
        assert problems(html) == []
        assert html.count("<h1") == 1
        assert html.count("<style>") == 1
        assert not re.search(r"<[a-z][^>]*\s(?:on\w+|style)=", re.sub(r'"[^"]*"', '""', html))
        assert not re.search(r'<a href="(?!#|[\w%./-]+")', html)
        html.encode()

    def test_markdown_from_data_cannot_stop_a_report(self):
        text = r"$\frac{a$ ![a name](https://evil.example/x.png) ![x](javascript:alert(1))"
        html = main(page(code(shown({"text/markdown": text}))))
        assert r"<code>\frac{a</code> a name x" in html

    def test_a_fragment_cannot_break_out_of_its_place(self):
        html = page(code(shown({"text/html": "<div><details><b>open"})), markdown("## After"))
        assert html.count("<details") == html.count("</details>")
        assert html.count("<div") == html.count("</div>")

    def test_absurd_nesting_falls_back_to_text(self):
        html = page(code(shown({"text/html": "<div>" * 5000 + "x", "text/plain": "plain"})))
        assert '<pre class="result">plain</pre>' in html


class TestProblems:
    GOOD = (
        '<html lang="en-GB"><head><title>t</title></head><body><main id="m"><h1>a</h1><h2>b</h2>'
        f'<figure><img alt="{ALT}" src="data:image/png;base64,aa"><figcaption>c</figcaption></figure>'
        '<table><caption>c</caption><tr><th scope="col">h</th></tr></table><a href="#m">x</a></main>'
        "</body></html>"
    )

    def test_a_good_page_has_none(self):
        assert problems(self.GOOD) == []

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (' lang="en-GB"', "", "language"),
            ("<title>t</title>", "<title> </title>", "no title"),
            ("<h1>a</h1>", "", "0 headings of the first level"),
            ("<h2>b</h2>", "<h1>b</h1>", "2 headings of the first level"),
            ("<h2>b</h2>", "<h3>b</h3>", "skips a level"),
            ("<h2>b</h2>", "<h2></h2>", "is empty"),
            (f'alt="{ALT}" ', "", "no description"),
            (ALT, "Figure 1", "too little"),
            (ALT, "No description has been provided for this image", "too little"),
            (ALT, "<Figure size 640x480 with 1 Axes>", "too little"),
            ("<figcaption>c", f"<figcaption><em>{ALT}</em>", "only repeats its caption"),
            ("<caption>c</caption>", "", "no caption"),
            ("<caption>c</caption>", "<caption> </caption>", "no caption"),
            (' scope="col"', "", "no scope"),
            (' scope="col"', ' scope="x"', "no scope"),
            ("<h2>", "<script></script><h2>", "<script> is not allowed"),
            ("<h2>", "<iframe></iframe><h2>", "<iframe> is not allowed"),
            ("<h2>", "<object></object><h2>", "<object> is not allowed"),
            ("<h2>", "<embed><h2>", "<embed> is not allowed"),
            ("<h2>", "<link><h2>", "<link> is not allowed"),
            ("<h2>", "<h2 onclick='x()'>", "event handler onclick"),
            ("<h2>", "<meta http-equiv='Refresh' content='0'><h2>", "meta refresh"),
            ('src="data:image/png;base64,aa"', 'src="x.png"', "<img> loads 'x.png'"),
            ('src="', 'srcset="x.png" src="', "<img> loads 'x.png'"),
            ("<h2>", "<style>a{background:url(x.png)}</style><h2>", "style sheet loads"),
            ("<h2>", "<style>@import 'x.css'</style><h2>", "style sheet loads"),
            ("<h2>", "<h2 style='background:url(x)'>", "style that loads"),
            ('href="#m"', 'href="JavaScript:x()"', "<a> links to"),
            ('href="#m"', 'href="#nowhere"', "leads to #nowhere"),
            ("<h2>", '<h2 id="m">', "the id 'm' occurs 2 times"),
            ("<h2>b</h2>", '<h2>b</h2><div role="region"></div>', "region name '' is empty"),
            (
                "<h2>b</h2>",
                '<h2>b</h2><p role="region" aria-label="r"></p><p role="region" aria-label="r">',
                "unique",
            ),
        ],
    )
    def test_each_check_can_fail(self, old, new, said):
        assert old in self.GOOD
        found = problems(self.GOOD.replace(old, new))
        assert any(said in problem for problem in found), found

    def test_a_picture_described_too_shortly_is_found_on_a_real_page(self):
        html = page(code(shown({"image/png": "aGk="}, alt="chart")))
        assert problems(html) == ["an image's description says too little: 'chart'"]


def test_a_register_never_gives_a_name_twice():
    register = Register()
    names = [register.name(text) for text in ("a (2)", "a", "a", " ")]
    assert names == ["a (2)", "a", "a (3)", "Content"]
    assert [register.level(asked) for asked in (1, 4, 4, 6, 2, 3)] == [2, 3, 3, 4, 2, 3]


def test_a_notice_says_its_kind_in_words():
    assert "<strong>Warning: Few months</strong>" in markup.notice("Few months", [], "warning")
    assert "<strong>Refused</strong>" in markup.notice("Refused", ["why"], "refusal")
    assert "<ul>" not in markup.notice("Note", [])


def test_every_text_colour_is_readable_on_the_palest_and_the_greyest_background():
    css = re.sub(r"\s+", " ", _environment().globals["css"])
    names = dict(re.findall(r"--(\w+): (#\w{6})", css))
    colours = {names.get(name, name) for name in re.findall(r"[ {]color: (?:var\(--)?(#?\w+)", css)}
    assert len(colours) > 6

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in colours - {"#fff", "#000"}:
        for background in ("#ffffff", "#f0f4f5", "#fdf1f0"):
            assert (luminance(background) + 0.05) / (luminance(colour) + 0.05) >= 4.5, (colour, background)
    assert 1.05 / (luminance(names["blue"]) + 0.05) >= 4.5


PIECES = """<table>|<caption>|Words|</caption>|<tr>|<td>|<th scope="row">|<th scope="col">|<th>|</table>
|<td onclick="x()">|<a title="<td>" onclick="x()">|<a title='<tr>' href="#gone">|</a>|<!-- <td>| -->
|<style>|<td>@import 'x'|</style>|<script>|</script>|<title>|<tr>T|</title>|<h1>|<td>Head|</h1>|<h3>|</h3>
|<figure>|<img src="x" alt="<td>">|</figure>|<td|>|&lt;td>""".replace("\n", "").split("|")


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_passing_over_plain_cells_hides_nothing(html):
    short = problems(html)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(audit, "_SOUND_CELL", re.compile(r"(?!)"))
        assert short == problems(html)
