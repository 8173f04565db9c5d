"""Captions: made up, in several languages, with everything in them that captions on the web have.

Alt texts, product titles, file names, quotes, pipes, HTML, emoji, line breaks. Lengths depend on the language, as
languages differ in how much one character says.
"""

# ruff: noqa: RUF001 - other alphabets have letters that look like ours

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from laion_assets.sandbox.draws import Draws, Ids


@dataclass(frozen=True)
class Language:
    """A language's share of rows, its words, how many of them a caption has, and what stands between them."""

    code: str
    share: float
    words: str
    mean_words: float
    joint: str = " "


LANGUAGES: tuple[Language, ...] = (
    Language(
        "en",
        0.47,
        """vintage poster of a small boat in the harbour at sunset with blue sky and mountains modern kitchen
        design ideas for your home women's summer dress free shipping black leather shoes size wedding
        photography portrait canvas print wall art""",
        10.0,
    ),
    Language(
        "nolang",
        0.16,
        """IMG_2041 DSC03391 image1 photo 2019-04-12 untitled NIKE AIR 270 logo.png iPhone XR 128GB main-banner
        M-L-XL SKU-88213 4K HDR""",
        3.0,
    ),
    Language(
        "de",
        0.055,
        """Wandbild Leinwand Sonnenuntergang über dem Meer mit Bergen schöne Küche aus Holz Damen Sommerkleid
        versandkostenfrei günstig kaufen für Ihr Zuhause""",
        8.0,
    ),
    Language(
        "ru",
        0.05,
        """фото красивый дом у моря летнее платье купить недорого кухня дизайн интерьера в современном стиле
        закат над горами""",
        8.0,
    ),
    Language(
        "fr",
        0.045,
        """affiche ancienne d'un petit bateau au coucher du soleil cuisine moderne robe d'été femme livraison
        gratuite montagne et ciel bleu pour la maison""",
        9.0,
    ),
    Language(
        "es",
        0.045,
        """cartel antiguo de un barco pequeño al atardecer cocina moderna vestido de verano para mujer envío
        gratis montaña y cielo azul""",
        9.0,
    ),
    Language(
        "ja",
        0.035,
        """写真 夕日 海 山 東京 夏 ワンピース 送料無料 レディース 新品 壁紙 おしゃれ キッチン インテリア""",
        9.0,
        joint="",
    ),
    Language(
        "zh",
        0.035,
        """图片 日落 大海 高山 夏季 连衣裙 包邮 现代 厨房 装修 效果图 高清 壁纸 新款""",
        8.0,
        joint="",
    ),
    Language(
        "it",
        0.025,
        """quadro su tela tramonto sul mare cucina moderna vestito estivo donna spedizione gratuita montagna e
        cielo azzurro""",
        8.0,
    ),
    Language(
        "pt",
        0.02,
        """quadro decorativo pôr do sol na praia cozinha moderna vestido de verão feminino frete grátis
        montanha e céu azul""",
        8.0,
    ),
    Language(
        "nl",
        0.02,
        """poster zonsondergang boven zee met bergen moderne keuken zomerjurk dames gratis verzending voor uw
        huis""",
        7.0,
    ),
    Language(
        "pl",
        0.02,
        """plakat zachód słońca nad morzem nowoczesna kuchnia letnia sukienka damska darmowa wysyłka góry i
        niebo""",
        7.0,
    ),
    Language(
        "tr",
        0.01,
        """deniz üzerinde gün batımı modern mutfak yazlık elbise kadın ücretsiz kargo dağlar ve gökyüzü""",
        7.0,
    ),
    Language(
        "ar",
        0.01,
        """صورة غروب الشمس فوق البحر مطبخ حديث فستان صيفي شحن مجاني جبال وسماء زرقاء""",
        7.0,
    ),
)
"""Shares as in high-resolution multilingual rows: about half English, a sixth without a language."""

POOL = 1024
FRAGMENT_WORDS = 3

ORNAMENTS = (
    "{}",
    "{} | Free Shipping",
    '"{}" - Canvas Print',
    "{} 🌅🔥",
    "{} &amp; more",
    "<script>alert('{}')</script>",
    "{}\nbuy now",
    "{} – {}",
    "<img src=x onerror=alert(1)> {}",
    "{}, '; DROP TABLE images; --",
)
ORNAMENT_SHARES = (0.855, 0.06, 0.02, 0.025, 0.02, 0.002, 0.008, 0.008, 0.001, 0.001)


def make_languages(seed: int, ids: Ids) -> npt.NDArray[np.int64]:
    """An index into LANGUAGES per caption."""
    return Draws(seed).choice("language", ids, [language.share for language in LANGUAGES])


def make_captions(seed: int, ids: Ids) -> pl.Series:
    """The caption of each id: null in 0.05 %, empty in 0.05 %."""
    draws = Draws(seed)
    language = make_languages(seed, ids)
    means = np.array([each.mean_words for each in LANGUAGES])[language]
    # Word counts are skewed: most captions are short, one in a hundred is four times the mean.
    words = np.maximum(1, np.round(means * np.exp(0.55 * draws.normal("words", ids) - 0.15)))
    fragments = np.ceil(words / FRAGMENT_WORDS).astype(np.int64)
    pool = _fragment_pool(seed)
    base = language * POOL
    frame = pl.DataFrame({"ornament": draws.choice("ornament", ids, ORNAMENT_SHARES)})
    longest = int(fragments.max(initial=1))
    joint = pl.Series([each.joint for each in LANGUAGES]).gather(language)
    text = pool.gather(base + draws.below("fragment 0", ids, POOL))
    for number in range(1, longest):
        missing = np.flatnonzero(fragments > number)
        more = pool.gather(base[missing] + draws.below(f"fragment {number}", ids[missing], POOL))
        extended = text.gather(missing) + joint.gather(missing) + more
        text = text.scatter(missing, extended)
    decorated = pl.col("text")
    for number, ornament in enumerate(ORNAMENTS[1:], start=1):
        before, *rest = ornament.split("{}")
        parts: list[pl.Expr] = [pl.lit(before)]
        for after in rest:
            parts += [pl.col("text"), pl.lit(after)]
        decorated = pl.when(pl.col("ornament") == number).then(pl.concat_str(parts)).otherwise(decorated)
    missing_text = draws.choice("missing caption", ids, [0.999, 0.0005, 0.0005])
    frame = frame.with_columns(text=text, missing=pl.Series(missing_text))
    empty = pl.when(pl.col("missing") == 2).then(pl.lit("")).otherwise(decorated)
    return frame.select(pl.when(pl.col("missing") == 1).then(None).otherwise(empty).alias("text"))["text"]


@functools.lru_cache(maxsize=4)
def _fragment_pool(seed: int) -> pl.Series:
    """POOL fragments of three words for each language, one language after the other."""
    draws = Draws(seed)
    ids = np.arange(POOL, dtype=np.uint64)
    fragments: list[str] = []
    for language in LANGUAGES:
        words = language.words.split()
        chosen = [draws.below(f"{language.code} {slot}", ids, len(words)) for slot in range(FRAGMENT_WORDS)]
        fragments += [language.joint.join(words[slot[row]] for slot in chosen) for row in range(POOL)]
    return pl.Series(fragments)
