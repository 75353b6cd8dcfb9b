"""YAML text: what is refused, and where."""

from __future__ import annotations

import pytest

from labkit.manifest import source
from labkit.manifest.plain_objects import tree_of
from labkit.manifest.source import documents, head_comment
from labkit.manifest.tree import plain


def read(text: str | bytes) -> object:
    (node,), problems = documents(text, "a.yaml")
    assert problems == []
    return plain(node)


def faults(text: str | bytes) -> list[str]:
    return [str(problem) for problem in documents(text, "a.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 80", 80),
        ("a: -1", -1),
        ("a: 1_000", 1000),
        ("a: 0x1f", 31),
        ("a: 0b11", 3),
        ("a: 0o17", 15),
        ("a: 017", 15),
        ("a: 1.5", 1.5),
        ("a: 1e3", 1000.0),
        ("a: yes", True),
        ("a: Off", False),
        ("a: ~", None),
        ("a:", None),
        ("a: 30:30080", "30:30080"),
        ("a: 2024-01-02", "2024-01-02"),
        ("a: 10.96.0.1", "10.96.0.1"),
        ("a: 089", 89.0),
        ("a: 'yes'", "yes"),
        ("a: !!str 80", "80"),
        ("a: ! 80", "80"),
        ("a: !!int 80", 80),
        ("a: |\n  two\n  lines", "two\nlines"),
        ("a: " + "9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_is_what_the_api_servers_reader_makes_of_it(text: str, value: object) -> None:
    assert read(text) == {"a": value}


def test_positions_count_lines_and_characters_from_one() -> None:
    (node,), _ = documents('é: "ü"\nb:\n  - x: [1, 2]\n', "a.yaml")
    assert isinstance(node.value, dict)
    assert (node.value["é"].node.line, node.value["é"].node.column) == (1, 4)
    inner = node.value["b"].node
    assert isinstance(inner.value, list)
    assert (inner.value[0].line, inner.value[0].column) == (3, 5)


def test_bom_and_crlf_are_fine() -> None:
    assert read("\ufeffa: 1\r\nb: 2\r\n".encode()) == {"a": 1, "b": 2}


def test_aliases_and_merge_keys_are_written_out_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nthree: *b\n"
    assert read(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 2, "z": 4},
        "three": {"x": 1, "y": 2},
    }


def test_empty_documents_are_passed_over() -> None:
    nodes, problems = documents("---\n---\na: 1\n---\n# nothing\n...\n", "a.yaml")
    assert [plain(node) for node in nodes] == [{"a": 1}]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "a: 1\nb: 2\na: 3\n",
            "a.yaml:3:1: key a is given twice, first in line 1; remove one of them",
            id="duplicate key",
        ),
        pytest.param(
            "a:\n\tb: 1\n",
            "a.yaml:2:1: a tab where YAML wants spaces; indent with spaces",
            id="tab",
        ),
        pytest.param(
            b"a: b\x00",
            "a.yaml:1:5: character NUL is not allowed in YAML; remove it",
            id="NUL",
        ),
        pytest.param(
            'a: "b\\0"',
            "a.yaml:1:4: a NUL or half a character is written here; remove the escape",
            id="escaped NUL",
        ),
        pytest.param(
            b"a: 1\nb: \xff\n",
            "a.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8",
            id="not UTF-8",
        ),
        pytest.param(
            "a: 1".encode("utf-16"),
            "a.yaml:1:1: the text is UTF-16; save the file as UTF-8",
            id="UTF-16",
        ),
        pytest.param(
            "[a]: 1\n",
            "a.yaml:1:1: a list or mapping as a key; give a name as the key",
            id="list as key",
        ),
        pytest.param("~: 1\n", "a.yaml:1:1: null as a key; give a name as the key", id="null key"),
        pytest.param(
            "a: !!python/name:os.system x\n",
            "a.yaml:1:4: tag tag:yaml.org,2002:python/name:os.system is not supported;"
            " leave the tag out",
            id="Python tag",
        ),
        pytest.param(
            "a: !vault {b: c}\n",
            "a.yaml:1:4: tag !vault is not supported; leave the tag out",
            id="tag on a mapping",
        ),
        pytest.param(
            "a: !!int x\n",
            "a.yaml:1:4: tag tag:yaml.org,2002:int does not fit x; leave the tag out",
            id="tag that does not fit",
        ),
        pytest.param(
            "a: *b\n", "a.yaml:1:4: alias *b has no anchor; write &b before it", id="alias"
        ),
        pytest.param(
            "a: &b [*b]\n", "a.yaml:1:8: alias *b stands inside itself; write it out", id="cycle"
        ),
        pytest.param(
            "a: {<<: 1}\n",
            "a.yaml:1:9: << wants a mapping; give an alias of a mapping",
            id="merge of a number",
        ),
    ],
)
def test_a_fault_of_the_text_has_its_place(text: str | bytes, problem: str) -> None:
    assert faults(text) == [problem]


def test_broken_syntax_keeps_the_documents_before_it() -> None:
    nodes, problems = documents("a: 1\n---\nb: [1, 2\n", "a.yaml")
    assert [plain(node) for node in nodes] == [{"a": 1}]
    assert [str(problem).split(": ")[0] for problem in problems] == ["a.yaml:4:1"]
    assert "this is not YAML" in problems[0].message


def test_depth_is_bounded() -> None:
    (problem,) = faults("a: " + "[" * 5000 + "]" * 5000)
    assert problem.startswith("a.yaml:1:103: nested more than 100 deep")


def test_alias_expansion_is_bounded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    (problem,) = faults("\n".join(lines))
    assert "more than 4,000,000 values, aliases written out" in problem


def test_merges_are_bounded() -> None:
    keys = ", ".join(f"k{i}: 1" for i in range(2000))
    merges = ", ".join(["*a"] * 2500)
    (problem,) = faults(f"a: &a {{{keys}}}\nb: {{<<: [{merges}]}}\n")
    assert "more than 4,000,000 values" in problem


def test_size_is_bounded() -> None:
    (problem,) = faults(b"#" * (source.MOST_BYTES + 1))
    assert problem == (
        "a.yaml:1:1: larger than 48 MiB; split the file;"
        " nodes, pods and Services can be in files of their own"
    )


def test_without_libyaml_the_python_parser_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yaml.__with_libyaml__", False)
    assert read("a: &b [1, yes]\nc: *b\n") == {"a": [1, True], "c": [1, True]}
    assert faults("a: 1\na: 2\n") == [
        "a.yaml:2:1: key a is given twice, first in line 1; remove one of them"
    ]
    assert len(faults('a: "\\UFFFFFFFF"\n')) == 1
    assert len(faults('a: "\\uD800"\n')) == 1


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("# One.\n#\n# Two.\na: 1\n", "One.\n\nTwo."),
        ("# yaml-language-server: $schema=x\n# One.\n---\n", "One."),
        ("\ufeff\n#One\n\n# not this\n", "One"),
        ("a: 1 # no\n", ""),
    ],
)
def test_the_comment_at_the_head_is_the_description(text: str, comment: str) -> None:
    assert head_comment(text) == comment
    assert head_comment(text.encode()) == comment


def test_a_tree_is_again_the_objects_that_it_was_read_from() -> None:
    value: object = {"text": "a", "list": [1, 2.5, True, None, {"deep": []}], "empty": {}}
    tree, problems = tree_of(value, "<objects>")
    assert not problems
    assert plain(tree) == value
