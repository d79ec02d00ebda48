from datasel_assets.models.render import is_blank, plain, tulu

CHAT = [
    {"role": "system", "content": " Be brief. "},
    {"role": "user", "content": "2+2?\n"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "3+3?"},
    {"role": "assistant", "content": "6"},
]


def test_plain_text_joins_the_contents_unchanged():
    assert plain(CHAT) == " Be brief. \n\n2+2?\n\n\n4\n\n3+3?\n\n6"


def test_plain_text_leaves_out_blank_messages():
    assert plain([{"role": "user", "content": " "}, {"role": "assistant", "content": "a"}]) == "a"


def test_tulu_text_has_tags_on_their_own_line_and_an_end_after_each_answer():
    assert tulu(CHAT, "</s>") == (
        "<|system|>\nBe brief.\n<|user|>\n2+2?\n<|assistant|>\n4</s>\n<|user|>\n3+3?\n<|assistant|>\n6</s>"
    )


def test_a_row_of_white_space_is_blank():
    assert is_blank([{"role": "user", "content": " \n"}, {"role": "assistant", "content": ""}])
    assert is_blank([])
    assert not is_blank(CHAT)
