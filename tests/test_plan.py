from __future__ import annotations

from collections import Counter

from harness import plan, scenario

KEYS = [f"{n}.jpg" for n in range(5)]


def chosen(**changes: object) -> scenario.Scenario:
    return scenario.load(scenario.find("default")).model_copy(update=changes)


def the_blocks(scenario_: scenario.Scenario) -> list[plan.Block]:
    count = scenario_.warmup_blocks + scenario_.blocks
    return [
        plan.block(scenario_, index, KEYS, warmup=index < scenario_.warmup_blocks) for index in range(count)
    ]


def test_every_block_has_every_arm_once_and_all_arms_share_its_items() -> None:
    blocks = the_blocks(chosen())
    assert len(blocks) == 12
    for block in blocks:
        assert sorted(arm.name for arm in block.arms) == ["batch", "function", "function-aa", "service"]
        assert [phase.name for phase in block.phases] == ["drop", "steady"]
        assert len(block.phases[0].items) == 12
        assert all(len(phase.offsets_s) == len(phase.items) for phase in block.phases)


def test_order_varies_between_blocks_and_the_seed_fixes_it() -> None:
    def orders(seed: int) -> list[tuple[str, ...]]:
        return [tuple(arm.name for arm in block.arms) for block in the_blocks(chosen(seed=seed))]

    assert len(set(orders(1))) > 3
    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def test_items_are_drawn_in_whole_rounds() -> None:
    for block in the_blocks(chosen()):
        for phase in block.phases:
            counts = Counter(phase.items)
            assert max(counts.values()) - min(counts.values()) <= 1


def test_the_duplicate_has_the_settings_of_its_original() -> None:
    arms = {arm.name: arm for arm in plan.arms(chosen())}
    assert arms["function-aa"].settings == arms["function"].settings
    assert arms["function-aa"].duplicate_of == "function"


def test_warm_up_blocks_come_first_and_are_marked() -> None:
    blocks = the_blocks(chosen(warmup_blocks=2, blocks=3))
    assert [(block.index, block.warmup) for block in blocks] == [
        (0, True), (1, True), (2, False), (3, False), (4, False)
    ]  # fmt: skip
