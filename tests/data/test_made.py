from __future__ import annotations

from collections import Counter

from hoodwink.data.made import made_names, made_tweets
from hoodwink.data.made_vectors import made_vectors
from hoodwink.texts.tokens import split_words


def test_made_texts_are_of_every_class_and_the_same_again() -> None:
    for make, classes in ((made_names, 3), (made_tweets, 2)):
        texts, labels = make(80)
        assert len(texts) == 80 and len(set(texts)) > 40 and make(80) == (texts, labels)
        assert min(Counter(labels).values()) >= 15 and set(labels) == set(range(classes))


def test_every_word_but_names_has_a_vector() -> None:
    known = made_vectors()
    strangers = Counter(word for text in made_tweets(300)[0] for word in split_words(text) if word not in known)
    assert set(strangers) <= {"@", "somebody", "am"}
