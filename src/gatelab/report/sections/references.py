"""The references of the statistics on the page, as BibTeX."""

from collections.abc import Sequence

__all__ = ["bibtex"]


def bibtex(keys: Sequence[str]) -> str:
    """Return the entries of some keys, each once, in the order of the keys."""
    return "\n\n".join(_entry(key) for key in dict.fromkeys(keys))


def _entry(key: str) -> str:
    kind, fields = _ENTRIES[key]
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


_ENTRIES: dict[str, tuple[str, dict[str, str]]] = {
    "agarwal2021": (
        "inproceedings",
        {
            "author": "Agarwal, Rishabh and Schwarzer, Max and Castro, Pablo Samuel and Courville, Aaron and"
            " Bellemare, Marc G.",
            "title": "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
            "booktitle": "Advances in Neural Information Processing Systems",
            "volume": "34",
            "year": "2021",
        },
    ),
    "akiba2019": (
        "inproceedings",
        {
            "author": "Akiba, Takuya and Sano, Shotaro and Yanase, Toshihiko and Ohta, Takeru and Koyama, Masanori",
            "title": "Optuna: A Next-generation Hyperparameter Optimization Framework",
            "booktitle": "Proceedings of the 25th ACM SIGKDD International Conference on Knowledge Discovery and Data"
            " Mining",
            "year": "2019",
        },
    ),
    "bouthillier2021": (
        "inproceedings",
        {
            "author": "Bouthillier, Xavier and Delaunay, Pierre and Bronzi, Mirko and others",
            "title": "Accounting for Variance in Machine Learning Benchmarks",
            "booktitle": "Proceedings of Machine Learning and Systems",
            "volume": "3",
            "year": "2021",
        },
    ),
    "demsar2006": (
        "article",
        {
            "author": "Dem{\\v{s}}ar, Janez",
            "title": "Statistical Comparisons of Classifiers over Multiple Data Sets",
            "journal": "Journal of Machine Learning Research",
            "volume": "7",
            "pages": "1--30",
            "year": "2006",
        },
    ),
    "dodge2019": (
        "inproceedings",
        {
            "author": "Dodge, Jesse and Gururangan, Suchin and Card, Dallas and Schwartz, Roy and Smith, Noah A.",
            "title": "Show Your Work: Improved Reporting of Experimental Results",
            "booktitle": "Proceedings of EMNLP-IJCNLP",
            "year": "2019",
        },
    ),
    "efron1993": (
        "book",
        {
            "author": "Efron, Bradley and Tibshirani, Robert J.",
            "title": "An Introduction to the Bootstrap",
            "publisher": "Chapman and Hall",
            "year": "1993",
        },
    ),
    "fisher1935": (
        "book",
        {
            "author": "Fisher, Ronald A.",
            "title": "The Design of Experiments",
            "publisher": "Oliver and Boyd",
            "year": "1935",
        },
    ),
    "greff2017": (
        "article",
        {
            "author": "Greff, Klaus and Srivastava, Rupesh K. and Koutn{\\'i}k, Jan and Steunebrink, Bas R. and "
            'Schmidhuber, J{\\"u}rgen',
            "title": "{LSTM}: A Search Space Odyssey",
            "journal": "IEEE Transactions on Neural Networks and Learning Systems",
            "volume": "28",
            "number": "10",
            "pages": "2222--2232",
            "year": "2017",
        },
    ),
    "holm1979": (
        "article",
        {
            "author": "Holm, Sture",
            "title": "A Simple Sequentially Rejective Multiple Test Procedure",
            "journal": "Scandinavian Journal of Statistics",
            "volume": "6",
            "number": "2",
            "pages": "65--70",
            "year": "1979",
        },
    ),
    "hutter2014": (
        "inproceedings",
        {
            "author": "Hutter, Frank and Hoos, Holger and Leyton-Brown, Kevin",
            "title": "An Efficient Approach for Assessing Hyperparameter Importance",
            "booktitle": "Proceedings of the 31st International Conference on Machine Learning",
            "year": "2014",
        },
    ),
    "kaplan1958": (
        "article",
        {
            "author": "Kaplan, Edward L. and Meier, Paul",
            "title": "Nonparametric Estimation from Incomplete Observations",
            "journal": "Journal of the American Statistical Association",
            "volume": "53",
            "number": "282",
            "pages": "457--481",
            "year": "1958",
        },
    ),
    "phipson2010": (
        "article",
        {
            "author": "Phipson, Belinda and Smyth, Gordon K.",
            "title": "Permutation {P}-values Should Never Be Zero: Calculating Exact {P}-values When Permutations Are "
            "Randomly Drawn",
            "journal": "Statistical Applications in Genetics and Molecular Biology",
            "volume": "9",
            "number": "1",
            "year": "2010",
        },
    ),
    "student1908": (
        "article",
        {
            "author": "{Student}",
            "title": "The Probable Error of a Mean",
            "journal": "Biometrika",
            "volume": "6",
            "number": "1",
            "pages": "1--25",
            "year": "1908",
        },
    ),
    "tang2020": (
        "inproceedings",
        {
            "author": "Tang, Raphael and Lee, Jaejun and Xin, Ji and Liu, Xinyu and Yu, Yaoliang and Lin, Jimmy",
            "title": "Showing Your Work Doesn't Always Work",
            "booktitle": "Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics",
            "year": "2020",
        },
    ),
    "watanabe2023": (
        "inproceedings",
        {
            "author": "Watanabe, Shuhei and Bansal, Archit and Hutter, Frank",
            "title": "{PED-ANOVA}: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces",
            "booktitle": "Proceedings of the 32nd International Joint Conference on Artificial Intelligence",
            "year": "2023",
        },
    ),
    "welch1947": (
        "article",
        {
            "author": "Welch, Bernard L.",
            "title": "The Generalization of `Student's' Problem When Several Different Population Variances Are"
            " Involved",
            "journal": "Biometrika",
            "volume": "34",
            "number": "1--2",
            "pages": "28--35",
            "year": "1947",
        },
    ),
}
