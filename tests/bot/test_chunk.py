from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.bot.ingest.chunk import MOST, Chunk, chunk


def cut(text: str, *, markdown: bool = True) -> tuple[Chunk, ...]:
    return chunk(text, source="/a/b.md", name="b.md", markdown=markdown)


def test_each_section_is_a_chunk_that_knows_its_headings() -> None:
    made = cut("# A\n\none\n\n## B\n\ntwo\n\n### C ###\n\nthree\n\n# D\n\nfour\n")

    assert [(one.heading, one.text) for one in made] == [
        ("A", "one"),
        ("A > B", "two"),
        ("A > B > C", "three"),
        ("D", "four"),
    ]
    assert made[2].content == "b.md: A > B > C\n\nthree"
    assert [one.position for one in made] == [0, 1, 2, 3]


def test_underlined_headings_are_headings_too() -> None:
    made = cut("Title\n=====\n\none\n\nPart\n----\ntwo\n\n- a\n---\n\nthree\n")

    assert [(one.heading, one.text) for one in made] == [
        ("Title", "one"),
        ("Title > Part", "two\n\n- a\n---\n\nthree"),
    ]


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    made = cut("# A\n\n```sh\n# comment\n\nls\n```\n\nafter\n")

    assert [one.heading for one in made] == ["A"]
    assert "```sh\n# comment\n\nls\n```" in made[0].text


def test_a_hash_in_plain_text_is_no_heading() -> None:
    assert [one.heading for one in cut("# not a heading\n\ntext\n", markdown=False)] == [""]


def test_a_code_block_that_fits_is_never_split() -> None:
    code = "```python\n" + "\n\n".join(f"x{n} = {n}" for n in range(70)) + "\n```"
    made = cut(f"# A\n\n{'Words come first. ' * 40}\n\n{code}\n\n{'And last. ' * 60}\n")

    assert len(code) < MOST
    assert sum(code in one.text for one in made) == 1


def test_a_code_block_that_does_not_fit_is_split_into_code_blocks() -> None:
    lines = [f"line {n} {'x' * 40}" for n in range(100)]
    made = cut("~~~txt\n" + "\n".join(lines) + "\n~~~\n")

    assert len(made) > 3
    assert all(one.text.startswith("~~~txt\n") for one in made)
    assert all(one.text.endswith("\n~~~") for one in made)
    assert [line for one in made for line in one.text.split("\n")[1:-1]] == lines


def test_a_long_section_is_cut_at_sentences_with_a_little_overlap() -> None:
    said = [f"Sentence number {n} says that much and no more than that." for n in range(100)]
    made = cut("# A\n\n" + "\n\n".join(" ".join(said[n : n + 5]) for n in range(0, 100, 5)))

    assert all(700 <= len(one.text) <= MOST for one in made[:-1])
    for before, after in pairwise(made):
        assert after.text.startswith(before.text.rsplit(". ", 1)[1])


def test_a_long_list_is_cut_between_its_items() -> None:
    items = [f"- Item {n}. It says this. {'And that. ' * 5}".rstrip() for n in range(60)]
    made = cut("\n".join(items))

    assert len(made) > 2
    assert all(one.text.split("\n")[-1] in items for one in made)
    assert {line for one in made for line in one.text.split("\n")} >= set(items)


def test_ids_are_those_of_path_and_content() -> None:
    first, again = cut("# A\n\none\n\n# B\n\ntwo"), cut("# B\n\ntwo\n\n# A\n\none")
    elsewhere = chunk("# A\n\none", source="/other", name="b.md", markdown=True)

    assert {one.id for one in first} == {one.id for one in again}
    assert elsewhere[0].id != first[0].id


def test_equal_pieces_have_ids_of_their_own() -> None:
    made = cut("# A\n\nsame\n\n# A\n\nsame\n")

    assert len({one.id for one in made}) == 2


def test_a_document_of_headings_only_can_be_found() -> None:
    assert [one.text for one in cut("# Only this\n# And this\n")] == ["Only this", "And this"]
    assert cut("# #\n") == ()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "# A",
                "## B",
                "```",
                "~~~~",
                "---",
                "",
                "- item",
                "word " * 60,
                "x" * 1500,
                "A. B! C?",
            ]
        ),
        max_size=25,
    )
)
def test_no_word_is_lost_and_no_piece_too_long(lines: list[str]) -> None:
    text = "\n".join(lines)

    made = cut(text)

    assert all(0 < len(one.text) <= MOST for one in made)
    assert len({one.id for one in made}) == len(made)
    kept = "".join(one.text for one in made)
    assert kept.count("word") >= text.count("word")
    assert kept.count("x") >= text.count("x")
