// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Thread} from "../thread/Thread.sol";

/// @title MorpionDraw: Morpion, tic-tac-toe for two players and a pot, in which a draw can be offered
/// @notice Both players pay the same stake with `join`; X moves first; three in a row takes the pot, a full board or an
/// accepted offer gives the stakes back, and a player who lets the turn clock run out loses to the one who calls
/// `claimTimeout`.
///
/// Draws. Either player may offer a draw once between two moves, whoever is to move. In a thread `offerDraw` asks the
/// other and waits in the middle for the answer, which settles it. On-chain, where nobody answers, the same call ends
/// with the offer stored, and the other accepts or refuses it by a transaction, or lets it lapse: every move ends an
/// offer. An offer stops no clock, and is made, accepted and refused only while the turn lasts.
///
/// The clock. A turn begins when the second player has joined, or with the move before it, at time t (block.timestamp),
/// and `deadline` is then t + turnSeconds. `play` is accepted while block.timestamp <= deadline, `claimTimeout` while
/// block.timestamp > deadline: at any moment exactly one of the two is possible, so nobody can race the other for it.
///
/// Money leaves only by `withdraw` and `unjoin`, only to the caller, and only after the books say so. Wei forced into
/// the contract without `join` belong to nobody and are never counted.
///
/// @dev Parameters lie in storage, not in the code: every game has the same runtime code, so one deployment can be the
/// origin of any number of threads. A move or an offer writes one storage slot. Each function checks in the order in
/// which its errors are named in its comment.
contract MorpionDraw {
    /// @notice Joining: stakes are awaited; Playing: somebody is to move; the others: the game is over.
    enum State {
        Joining,
        Playing,
        WonByX,
        WonByO,
        Drawn
    }

    /// @dev Everything that changes, in one slot. Cells are numbered row by row, 0 to 8; in `position` bit c is X's
    /// mark in cell c and bit 9 + c is O's. `joined`, `paid`, `offered` and `refused` hold one bit a player: X and O as
    /// below.
    struct Game {
        uint96 deadline; // the last second of this turn; wide enough that a 64-bit clock plus turnSeconds can't overflow
        uint64 turnSeconds;
        uint32 position;
        uint8 moves;
        State state;
        uint8 joined;
        uint8 paid;
        uint8 offered; // who has offered a draw since the last move
        uint8 refused; // whose offer of these was refused; an offer that wasn't is open, and there is at most one
    }

    uint256 private constant X = 1;
    uint256 private constant O = 2;

    /// @notice Who plays X and moves first.
    address public playerX;
    /// @notice Who plays O.
    address public playerO;
    /// @notice What each player pays in, in wei; may be zero.
    uint256 public stake;
    Game private game;

    event Joined(address indexed player);
    event Unjoined(address indexed player);
    /// @notice Both have joined; X is to move until `deadline`.
    event Started(uint256 deadline);
    /// @notice The `number`-th move (from 1): `player` took `cell`.
    event Played(address indexed player, uint8 cell, uint8 number);
    /// @notice The game is over; `winner` is zero for a draw.
    event Finished(address indexed winner, bool byTimeout);
    event Withdrawn(address indexed player, uint256 amount);
    /// @notice `player` offers a draw after `move` moves.
    event DrawOffered(address indexed player, uint8 move);
    /// @notice `player` has accepted the offer made after `move` moves: the game is over.
    event DrawAccepted(address indexed player, uint8 move);
    /// @notice `player` has refused the offer made after `move` moves: play goes on.
    event DrawRefused(address indexed player, uint8 move);

    /// @notice A player of a new game is the zero address.
    error ZeroPlayer();
    /// @notice The players of a new game are one and the same.
    error SamePlayer(address player);
    /// @notice The stake of a new game is above 2^128 - 1 wei.
    error StakeTooLarge(uint256 stake);
    /// @notice The turn time of a new game is zero or above 2^64 - 1 seconds.
    error TurnTimeOutOfRange(uint256 turnSeconds);
    error GameNotStarted();
    error GameAlreadyStarted();
    error GameOver();
    error GameNotOver();
    error NotAPlayer(address caller);
    error AlreadyJoined();
    error NotJoined();
    error WrongStake(uint256 sent, uint256 wanted);
    error NotYourTurn();
    /// @notice The turn's last second, `deadline`, is over.
    error TurnExpired(uint256 deadline);
    error NoSuchCell(uint8 cell);
    error CellTaken(uint8 cell);
    /// @notice The clock that runs is the caller's own.
    error OwnTurn();
    /// @notice The other's turn lasts up to and including `deadline`.
    error TurnNotExpired(uint256 deadline);
    /// @notice The caller has offered a draw since the last move.
    error AlreadyOffered();
    /// @notice No offer of the other's, made after `move` moves, is open.
    error NoOffer(uint8 move);
    error NothingOwed();
    /// @notice The caller refused its own money; nothing has changed.
    error TransferFailed();

    /// @notice Sets up a game that begins when both have joined.
    /// @dev Errors: ZeroPlayer, SamePlayer, StakeTooLarge, TurnTimeOutOfRange.
    constructor(address playerX_, address playerO_, uint256 stake_, uint256 turnSeconds_) {
        if (playerX_ == address(0) || playerO_ == address(0)) revert ZeroPlayer();
        if (playerX_ == playerO_) revert SamePlayer(playerX_);
        if (stake_ > type(uint128).max) revert StakeTooLarge(stake_); // so that twice the stake can't overflow
        if (turnSeconds_ == 0 || turnSeconds_ > type(uint64).max) revert TurnTimeOutOfRange(turnSeconds_);
        playerX = playerX_;
        playerO = playerO_;
        stake = stake_;
        game.turnSeconds = uint64(turnSeconds_);
    }

    /// @notice Pays in the caller's stake; the second to join starts the game and X's clock.
    /// @dev Errors: GameAlreadyStarted, NotAPlayer, AlreadyJoined, WrongStake.
    function join() external payable {
        if (game.state != State.Joining) revert GameAlreadyStarted();
        uint256 mark = _markOf(msg.sender);
        uint256 joined = game.joined;
        if (joined & mark != 0) revert AlreadyJoined();
        if (msg.value != stake) revert WrongStake(msg.value, stake);
        joined |= mark;
        game.joined = uint8(joined);
        emit Joined(msg.sender);
        if (joined == X | O) {
            game.state = State.Playing;
            emit Started(_startTurn());
        }
    }

    /// @notice Takes the caller's stake back while the other hasn't joined; the caller may join again.
    /// @dev Errors: GameAlreadyStarted, NotAPlayer, NotJoined, TransferFailed.
    function unjoin() external {
        if (game.state != State.Joining) revert GameAlreadyStarted();
        uint256 mark = _markOf(msg.sender);
        if (game.joined != mark) revert NotJoined(); // never both: the game would have started
        game.joined = 0;
        emit Unjoined(msg.sender);
        _pay(stake);
    }

    /// @notice Puts the caller's mark into a cell: 0 to 8, row by row from the top left.
    /// @dev Errors: GameNotStarted, GameOver, NotAPlayer, NotYourTurn, TurnExpired, NoSuchCell, CellTaken.
    function play(uint8 cell) external {
        _requirePlaying();
        uint256 move = game.moves;
        bool crossToMove = move % 2 == 0;
        if (msg.sender != (crossToMove ? playerX : playerO)) {
            _markOf(msg.sender);
            revert NotYourTurn();
        }
        if (block.timestamp > game.deadline) revert TurnExpired(game.deadline);
        if (cell > 8) revert NoSuchCell(cell);
        uint256 position = game.position;
        if (((position | (position >> 9)) >> cell) & 1 != 0) revert CellTaken(cell);

        uint256 firstBit = crossToMove ? 0 : 9;
        position |= 1 << (firstBit + cell);
        ++move;
        game.position = uint32(position);
        game.moves = uint8(move);
        game.offered = 0;
        game.refused = 0;
        emit Played(msg.sender, cell, uint8(move));
        if (_hasLine(position >> firstBit)) {
            game.state = crossToMove ? State.WonByX : State.WonByO;
            emit Finished(msg.sender, false);
        } else if (move == 9) {
            game.state = State.Drawn;
            emit Finished(address(0), false);
        } else {
            _startTurn();
        }
        _breakpoint();
    }

    /// @notice Offers the other a draw, or accepts the other's offer where one is open. In a thread this call waits for
    /// the other's answer: `abi.encode(true)` accepts, everything else refuses. On-chain it ends with the offer open.
    /// @dev The question is the transaction by which the other would accept on-chain, and the answer does what that or
    /// `refuseDraw` would do. Errors: GameNotStarted, GameOver, NotAPlayer, TurnExpired, AlreadyOffered.
    function offerDraw() external {
        uint256 mark = _requireTurnLasts();
        uint256 other = mark ^ (X | O);
        uint8 move = game.moves;
        if (_isOpen(other)) return _acceptDraw(msg.sender, move);
        if (game.offered & mark != 0) revert AlreadyOffered();
        game.offered |= uint8(mark);
        emit DrawOffered(msg.sender, move);

        address asked = other == X ? playerX : playerO;
        (bool answered, bool yes) = Thread.askYesNo(asked, abi.encodeCall(this.acceptDraw, (move)));
        if (!answered) return;
        if (yes) _acceptDraw(asked, move);
        else _refuseDraw(asked, move, mark);
    }

    /// @notice Accepts the draw that the other offered after `move` moves: each gets its stake back.
    /// @dev Errors: GameNotStarted, GameOver, NotAPlayer, TurnExpired, NoOffer.
    function acceptDraw(uint8 move) external {
        _requireOffer(move);
        _acceptDraw(msg.sender, move);
    }

    /// @notice Refuses the draw that the other offered after `move` moves: play goes on, and the clock ran on.
    /// @dev Errors: GameNotStarted, GameOver, NotAPlayer, TurnExpired, NoOffer.
    function refuseDraw(uint8 move) external {
        _refuseDraw(msg.sender, move, _requireOffer(move));
    }

    /// @notice Makes the caller the winner when the other's turn has run out.
    /// @dev Errors: GameNotStarted, GameOver, NotAPlayer, OwnTurn, TurnNotExpired.
    function claimTimeout() external {
        _requirePlaying();
        bool isCross = _markOf(msg.sender) == X;
        if (isCross == (game.moves % 2 == 0)) revert OwnTurn();
        if (block.timestamp <= game.deadline) revert TurnNotExpired(game.deadline);
        game.state = isCross ? State.WonByX : State.WonByO;
        emit Finished(msg.sender, true);
    }

    /// @notice Pays the caller what the game owes it: the pot to the winner, after a draw its stake to each; once.
    /// @dev Errors: GameNotOver, NotAPlayer, NothingOwed, TransferFailed.
    function withdraw() external {
        if (game.state <= State.Playing) revert GameNotOver();
        uint256 mark = _markOf(msg.sender);
        uint256 amount = _owed(mark);
        if (amount == 0) revert NothingOwed();
        game.paid |= uint8(mark);
        emit Withdrawn(msg.sender, amount);
        _pay(amount);
    }

    /// @notice The cells row by row: 0 empty, 1 X, 2 O.
    function board() external view returns (uint8[9] memory cells) {
        uint256 position = game.position;
        for (uint256 cell = 0; cell < 9; ++cell) {
            cells[cell] = uint8(((position >> cell) & 1) * X + ((position >> (9 + cell)) & 1) * O);
        }
    }

    /// @notice Who is to move; zero unless the game is being played.
    function turn() external view returns (address) {
        if (game.state != State.Playing) return address(0);
        return game.moves % 2 == 0 ? playerX : playerO;
    }

    /// @notice Who has won; zero while nobody has, and after a draw.
    function winner() external view returns (address) {
        if (game.state == State.WonByX) return playerX;
        if (game.state == State.WonByO) return playerO;
        return address(0);
    }

    /// @notice How far the game is.
    function state() external view returns (State) {
        return game.state;
    }

    /// @notice The last second of the present turn; zero unless the game is being played.
    function deadline() external view returns (uint256) {
        return game.state == State.Playing ? game.deadline : 0;
    }

    /// @notice How long a turn lasts.
    function turnSeconds() external view returns (uint256) {
        return game.turnSeconds;
    }

    /// @notice How many moves have been played.
    function moves() external view returns (uint256) {
        return game.moves;
    }

    /// @notice Whether this player has joined (and not taken it back by `unjoin`).
    function hasJoined(address player) external view returns (bool) {
        return (player == playerX && game.joined & X != 0) || (player == playerO && game.joined & O != 0);
    }

    /// @notice Who has a draw on offer that the other may accept; zero when nobody has.
    function drawOffer() external view returns (address) {
        if (game.state != State.Playing) return address(0);
        if (_isOpen(X)) return playerX;
        return _isOpen(O) ? playerO : address(0);
    }

    /// @notice What `withdraw` would pay this address now.
    function owed(address player) external view returns (uint256) {
        if (player == playerX) return _owed(X);
        if (player == playerO) return _owed(O);
        return 0;
    }

    /// @notice The players' wei that the game holds.
    function pot() external view returns (uint256) {
        if (game.state > State.Playing) return _owed(X) + _owed(O);
        return ((game.joined & X) + (game.joined >> 1)) * stake;
    }

    /// @dev Starts the clock of the next turn.
    function _startTurn() private returns (uint96 deadline_) {
        deadline_ = uint96(block.timestamp) + game.turnSeconds;
        game.deadline = deadline_;
    }

    /// @dev Ends the game with each player's stake its own again. Whether an answer or a transaction accepted it is all
    /// one.
    function _acceptDraw(address player, uint8 move) private {
        game.state = State.Drawn;
        emit DrawAccepted(player, move);
        emit Finished(address(0), false);
        _breakpoint();
    }

    /// @dev Closes the offer that `mark` made.
    function _refuseDraw(address player, uint8 move, uint256 mark) private {
        game.refused |= uint8(mark);
        emit DrawRefused(player, move);
        _breakpoint();
    }

    /// @dev In a thread: ends the batch here and asks for a commitment, of how many moves, of which position.
    function _breakpoint() private {
        Thread.breakpoint(game.moves, bytes32(uint256(game.position)), "");
    }

    /// @dev Pays the caller; always the last thing that a function does. Errors: TransferFailed.
    function _pay(uint256 amount) private {
        (bool success, ) = msg.sender.call{value: amount}("");
        if (!success) revert TransferFailed();
    }

    /// @dev Errors: GameNotStarted, GameOver.
    function _requirePlaying() private view {
        State state_ = game.state;
        if (state_ == State.Playing) return;
        if (state_ == State.Joining) revert GameNotStarted();
        revert GameOver();
    }

    /// @dev The caller's mark, X or O. Errors: GameNotStarted, GameOver, NotAPlayer, TurnExpired.
    function _requireTurnLasts() private view returns (uint256 mark) {
        _requirePlaying();
        mark = _markOf(msg.sender);
        if (block.timestamp > game.deadline) revert TurnExpired(game.deadline);
    }

    /// @dev The mark of the other, whose offer the caller may accept. Errors: those of _requireTurnLasts, NoOffer.
    function _requireOffer(uint8 move) private view returns (uint256 other) {
        other = _requireTurnLasts() ^ (X | O);
        if (!_isOpen(other) || move != game.moves) revert NoOffer(move);
    }

    /// @dev Whether this player, X or O, has a draw on offer.
    function _isOpen(uint256 mark) private view returns (bool) {
        return game.offered & ~game.refused & mark != 0;
    }

    /// @dev X or O. Errors: NotAPlayer.
    function _markOf(address player) private view returns (uint256) {
        if (player == playerX) return X;
        if (player == playerO) return O;
        revert NotAPlayer(player);
    }

    /// @dev What a player, X or O, can still withdraw.
    function _owed(uint256 mark) private view returns (uint256) {
        if (game.paid & mark != 0) return 0;
        if (game.state == State.Drawn) return stake;
        return game.state == (mark == X ? State.WonByX : State.WonByO) ? 2 * stake : 0;
    }

    /// @dev Whether the lowest nine bits hold one of the three rows, three columns and two diagonals.
    function _hasLine(uint256 mask) private pure returns (bool) {
        return
            mask & 0x007 == 0x007 ||
            mask & 0x038 == 0x038 ||
            mask & 0x1c0 == 0x1c0 ||
            mask & 0x049 == 0x049 ||
            mask & 0x092 == 0x092 ||
            mask & 0x124 == 0x124 ||
            mask & 0x111 == 0x111 ||
            mask & 0x054 == 0x054;
    }
}
