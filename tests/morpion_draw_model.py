"""MorpionDraw.sol's rules in plain Python, written from its comments: Morpion, and draws that can be offered."""

from tests.morpion_model import DRAWN, JOINING, PLAYING, ZERO, MorpionModel, Verdict, refused


class MorpionDrawModel(MorpionModel):
    """One game. `answer` is what the other says when it is asked in a thread: yes, no, or None where nobody can be."""

    def __init__(self, player_x: bytes, player_o: bytes, stake: int, turn_seconds: int) -> None:
        super().__init__(player_x, player_o, stake, turn_seconds)
        self.may_not_offer: set[bytes] = set()
        self.draw_offer = ZERO

    def play(self, sender: bytes, cell: int, timestamp: int) -> Verdict:
        verdict = super().play(sender, cell, timestamp)
        if verdict.accepted:
            self.may_not_offer = set()
            self.draw_offer = ZERO
        return verdict

    def claim_timeout(self, sender: bytes, timestamp: int) -> Verdict:
        verdict = super().claim_timeout(sender, timestamp)
        if verdict.accepted:
            self.draw_offer = ZERO
        return verdict

    def offer_draw(self, sender: bytes, timestamp: int, answer: bool | None = None) -> Verdict:
        late = self._too_late(sender, timestamp)
        if late is not None:
            return late
        if self.draw_offer == self._other(sender):
            return self._draw()
        if sender in self.may_not_offer:
            return refused("AlreadyOffered")
        self.may_not_offer.add(sender)
        if answer is None:
            self.draw_offer = sender
            return Verdict(True)
        return self._draw() if answer else Verdict(True)

    def accept_draw(self, sender: bytes, move: int, timestamp: int) -> Verdict:
        return self._no_offer(sender, move, timestamp) or self._draw()

    def refuse_draw(self, sender: bytes, move: int, timestamp: int) -> Verdict:
        verdict = self._no_offer(sender, move, timestamp)
        if verdict is None:
            self.draw_offer = ZERO
            return Verdict(True)
        return verdict

    def _draw(self) -> Verdict:
        self.state = DRAWN
        self.draw_offer = ZERO
        return Verdict(True)

    def _other(self, player: bytes) -> bytes:
        return next(each for each in self.players.values() if each != player)

    def _no_offer(self, sender: bytes, move: int, timestamp: int) -> Verdict | None:
        late = self._too_late(sender, timestamp)
        if late is None and (self.draw_offer != self._other(sender) or move != self.moves):
            return refused("NoOffer", move)
        return late

    def _too_late(self, sender: bytes, timestamp: int) -> Verdict | None:
        if self.state != PLAYING:
            return refused("GameNotStarted" if self.state == JOINING else "GameOver")
        if sender not in self.players.values():
            return refused("NotAPlayer", sender)
        if timestamp > self._deadline:
            return refused("TurnExpired", self._deadline)
        return None
