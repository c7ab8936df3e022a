"""The name of a difference between arms in the results."""

from pipanalysis.study.contrasts import compared_arm, contrast_name


def test_a_contrast_is_arm_minus_reference_and_leads_back_to_the_arm() -> None:
    assert contrast_name("pip", "control") == "pip - control"
    assert compared_arm("pip - control") == "pip"
    assert compared_arm(contrast_name("x_1", "y")) == "x_1"
