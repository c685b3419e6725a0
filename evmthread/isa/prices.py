"""Every dynamic price that some fork changed, by its English name. What no fork ever changed is a constant beside the
instruction that charges it. The values here are Frontier's (Yellow Paper, appendix G)."""

from dataclasses import dataclass

from evmthread.primitives.arguments import number_of_bits


@dataclass(frozen=True, slots=True)
class Prices:
    """Gas amounts; a fork's delta replaces some."""

    exp_byte: int = 10
    warm_account: int = 0
    cold_account: int = 0
    cold_slot_read: int = 0
    cold_slot_write: int = 0
    slot_set: int = 20_000
    slot_reset: int = 5_000
    slot_touch: int = 0
    slot_clear_refund: int = 15_000
    slot_write_sentry: int = -1
    selfdestruct_cold: int = 0
    selfdestruct_refund: int = 24_000
    init_code_word: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidInput for what is no price."""
        for name in Prices.__slots__:
            if name != "slot_write_sentry":  # -1 where there is none
                number_of_bits(getattr(self, name), 64, name)
