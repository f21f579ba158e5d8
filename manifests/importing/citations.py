"""Who made a model: a citation without address for every architecture and tag of the public tables.

Rules over names, the first that fits counts; knows no table. Nothing here is computed with: the words stand beside a
number so that a reader can look the model up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ZERO_SHOT: Sequence[tuple[str, str]] = (
    (r"\.openai$", "Radford et al. 2021, arXiv:2103.00020"),
    (r"\.laion80m_", "Cherti et al. 2023, arXiv:2212.07143, the scaling-law models"),
    (r"^EVA0", "Sun et al. 2023, arXiv:2303.15389"),
    (r"^coca_", "open_clip's training of CoCa, Yu et al. 2022, arXiv:2205.01917"),
    (r"^convnext", "open_clip (Ilharco et al.), LAION's ConvNeXt models"),
    (r"roberta", "open_clip (Ilharco et al.), LAION's models with a RoBERTa text tower"),
    (r"CLIPA", "Li, Wang and Xie 2023, arXiv:2305.07017"),
    (r"^nllb", "Visheratin 2023, arXiv:2309.01859"),
    (r"^ViTamin", "Chen et al. 2024, arXiv:2404.02132"),
    (r"^PE-Core", "Bolya et al. 2025, arXiv:2504.13181"),
    (r"^MobileCLIP2", "Faghri et al. 2025, arXiv:2508.20691"),
    (r"^MobileCLIP-", "Vasu et al. 2024, arXiv:2311.17049"),
    (r"SigLIP2", "Tschannen et al. 2025, arXiv:2502.14786"),
    (r"SigLIP", "Zhai et al. 2023, arXiv:2303.15343"),
    (r"\.metaclip_altogether", "Xu et al. 2024, arXiv:2410.17251"),
    (r"\.metaclip2", "Chuang et al. 2025, arXiv:2507.22062"),
    (r"\.metaclip", "Xu et al. 2024, arXiv:2309.16671"),
    (r"\.dfn", "Fang et al. 2023, arXiv:2309.17425"),
    (r"\.(datacomp|commonpool)", "Gadre et al. 2023, arXiv:2304.14108"),
    (r"\.laion400m_e3", "open_clip (Ilharco et al. 2021); LAION-400M: Schuhmann et al. 2021, arXiv:2111.02114"),
    (r"\.laion2b", "Cherti et al. 2023, arXiv:2212.07143"),
    (r"\.cc12m", "open_clip (Ilharco et al. 2021); CC12M: Changpinyo et al. 2021, arXiv:2102.08981"),
    (r"\.yfcc15m", "open_clip (Ilharco et al. 2021); YFCC-15M: the subset of Radford et al. 2021, arXiv:2103.00020"),
)

_CLASSIFIERS: Sequence[tuple[str, str]] = (
    (r"\.ns_jft", "Xie et al. 2020, arXiv:1911.04252"),
    (r"_(swsl|ssl)_", "Yalniz et al. 2019, arXiv:1905.00546"),
    (r"_wsl_", "Mahajan et al. 2018, arXiv:1805.00932"),
    (r"_bit\.", "Kolesnikov et al. 2020, arXiv:1912.11370"),
    (r"^eva_giant", "Fang et al. 2022, arXiv:2211.07636, fine-tuned from EVA-CLIP"),
    (r"\.(clip_|laion2b_|openai_|webli_)", "timm (Wightman), fine-tuned from CLIP weights"),
    (r"^vit_.*\.augreg", "Steiner et al. 2021, arXiv:2106.10270"),
    (r"^vgg", "torchvision; Simonyan and Zisserman 2015, arXiv:1409.1556"),
    (r"^resnet50\.tv_", "torchvision, first weights; He et al. 2016, arXiv:1512.03385"),
    (r"^resnet\d", "torchvision; He et al. 2016, arXiv:1512.03385"),
    (r"^resnext", "torchvision; Xie et al. 2017, arXiv:1611.05431"),
    (r"^wide_resnet", "torchvision; Zagoruyko and Komodakis 2016, arXiv:1605.07146"),
    (r"^densenet", "torchvision; Huang et al. 2017, arXiv:1608.06993"),
    (r"^inception_v3", "torchvision; Szegedy et al. 2016, arXiv:1512.00567"),
    (r"^inception_(v4|resnet)", "Szegedy et al. 2017, arXiv:1602.07261"),
    (r"^legacy_xception", "Chollet 2017, arXiv:1610.02357"),
    (r"^nasnet", "Zoph et al. 2018, arXiv:1707.07012"),
    (r"^pnasnet", "Liu et al. 2018, arXiv:1712.00559"),
    (r"^dpn", "Chen et al. 2017, arXiv:1707.01629"),
    (r"^legacy_se", "Hu et al. 2018, arXiv:1709.01507"),
    (r"^mobilenetv2", "timm; Sandler et al. 2018, arXiv:1801.04381"),
    (r"^mobilenetv3", "timm; Howard et al. 2019, arXiv:1905.02244"),
    (r"^mnasnet", "timm; Tan et al. 2019, arXiv:1807.11626"),
    (r"efficientnetv2", "Tan and Le 2021, arXiv:2104.00298"),
    (r"efficientnet_b0\.ra_", "timm; Tan and Le 2019, arXiv:1905.11946"),
    (r"efficientnet", "Tan and Le 2019, arXiv:1905.11946"),
    (r"^regnet", "Radosavovic et al. 2020, arXiv:2003.13678"),
    (r"^repvgg", "Ding et al. 2021, arXiv:2101.03697"),
    (r"^res2net", "Gao et al. 2019, arXiv:1904.01169"),
    (r"^resnest", "Zhang et al. 2020, arXiv:2004.08955"),
    (r"^dla", "Yu et al. 2018, arXiv:1707.06484"),
    (r"^hrnet", "Wang et al. 2019, arXiv:1908.07919"),
    (r"^ghostnet", "Han et al. 2020, arXiv:1911.11907"),
    (r"^convnext", "Liu et al. 2022, arXiv:2201.03545"),
    (r"^deit3", "Touvron, Cord and Jégou 2022, arXiv:2204.07118"),
    (r"^deit", "Touvron et al. 2021, arXiv:2012.12877"),
    (r"^swinv2", "Liu et al. 2022, arXiv:2111.09883"),
    (r"^swin", "Liu et al. 2021, arXiv:2103.14030"),
    (r"^xcit", "El-Nouby et al. 2021, arXiv:2106.09681"),
    (r"^cait", "Touvron et al. 2021, arXiv:2103.17239"),
    (r"^twins", "Chu et al. 2021, arXiv:2104.13840"),
    (r"^gmlp", "timm; Liu et al. 2021, arXiv:2105.08050"),
    (r"^resmlp", "Touvron et al. 2021, arXiv:2105.03404"),
    (r"^mixer", "Tolstikhin et al. 2021, arXiv:2105.01601"),
    (r"^beit", "Bao et al. 2022, arXiv:2106.08254"),
    (r"^mae_", "He et al. 2022, arXiv:2111.06377"),
    (r"^PIRL", "Misra and van der Maaten 2020, arXiv:1912.01991; weights of PyContrast"),
    (r"^InsDis", "Wu et al. 2018, arXiv:1805.01978; weights of PyContrast"),
    (r"^MoCoV2", "Chen et al. 2020, arXiv:2003.04297; weights of PyContrast"),
    (r"^MoCo", "He et al. 2020, arXiv:1911.05722; weights of PyContrast"),
    (r"^InfoMin", "Tian et al. 2020, arXiv:2005.10243; weights of PyContrast"),
    (r"^simclr", "Chen et al. 2020, arXiv:2002.05709; converted weights of model-vs-human"),
)

_METHODS = {
    "FLYP": "Goyal et al. 2023, arXiv:2212.00638",
    "CoOp": "Zhou et al. 2022, arXiv:2109.01134",
    "Tip-Adapter": "Zhang et al. 2022, arXiv:2111.03930",
}


def of_zero_shot(name: str) -> str:
    """Return the citation of ``<arch>.<tag>`` of open_clip.

    Raises
    ------
    ValueError
        For a name that no rule covers.

    Examples
    --------
    >>> of_zero_shot("ViT-B-32.openai")
    'Radford et al. 2021, arXiv:2103.00020'
    """
    return _first(_ZERO_SHOT, name)


def of_classifier(name: str) -> str:
    """Return the citation of a model of timm, or of a self-supervised one by its own name.

    Raises
    ------
    ValueError
        For a name that no rule covers.

    Examples
    --------
    >>> of_classifier("swin_tiny_patch4_window7_224.ms_in1k")
    'Liu et al. 2021, arXiv:2103.14030'
    """
    return _first(_CLASSIFIERS, name)


def of_method(method: str) -> str:
    """Return the citation of a way to fine-tune CLIP.

    Examples
    --------
    >>> of_method("CoOp")
    'Zhou et al. 2022, arXiv:2109.01134'
    """
    return _METHODS[method]


def _first(rules: Sequence[tuple[str, str]], name: str) -> str:
    for pattern, citation in rules:
        if re.search(pattern, name):
            return citation
    raise ValueError(f"no citation for {name!r}; add a rule")
