/* SPDX-License-Identifier: ISC */
/*
 * model.pml: the protocol of tools/fleet/ for small histories, with all interleavings of commands, followers,
 * crashes and a fail-over that loses commits.  tests/fleet/model.sh runs it by spin(1).
 *
 * A history is a list of changes; that two are the same up to a number is what the chain of MACs tells
 * (history.h), so the model compares the lists.  Each command makes a change of its own number.
 *
 * What must hold:
 *   a store is at all times what the database was at some time, whole       (was_once)
 *   no change is in a history twice                                         (once)
 *   a command that said "done" is in the database, unless a fail-over lost it, and one that said "nothing
 *   was changed" is not                                                     (at the end)
 *   at the end all stores are what the database is                          (at the end)
 */
#ifndef NODES
#define NODES 2
#endif
#ifndef COMMANDS
#define COMMANDS 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#define MOST 6          /* changes in a history: the commands', one of a promotion, and room */
#define PROMOTION 100

typedef history { byte change[MOST]; byte length; byte epoch };
typedef past { bool was[MOST] };

history db;
history store[NODES];
/* The database's histories so far: before a fail-over, and after it. */
history before;
bool failed_over = false, promoted = false;
byte holder = 0;                /* of the head: 1 + a command; 0: nobody */
bool busy[NODES];               /* a store is in a command's transaction */
byte crashes = 0;
byte running = 0;               /* commands that have not ended */

mtype = { UNSAID, DONE, NOTHING, UNKNOWN };
mtype said[COMMANDS];

/* Whether a is the beginning of b. */
inline begins(a, b, out) {
	out = (a.length <= b.length);
	for (_i : 0 .. MOST - 1) {
		if
		:: out && _i < a.length && a.change[_i] != b.change[_i] -> out = false
		:: else
		fi
	}
}

inline copy(from, upto, to) {
	to.length = upto;
	for (_i : 0 .. MOST - 1) {
		if
		:: _i < upto -> to.change[_i] = from.change[_i]
		:: else -> to.change[_i] = 0
		fi
	}
}

/* One look of a follower or a command: one transaction on the store, or nothing.  `there`: it is at the head. */
inline look(n, there) {
	begins(store[n], db, _same);
	there = false;
	if
	:: _same && store[n].length == db.length -> there = true; store[n].epoch = db.epoch
	:: _same && store[n].length < db.length ->
		/* A batch: some of the changes, or all. */
		if
		:: copy(db, store[n].length + 1, store[n])
		:: copy(db, db.length, store[n])
		fi
		if
		:: store[n].length == db.length -> there = true; store[n].epoch = db.epoch
		:: else
		fi
	/* Ahead of a database that has not said that it lost something: nothing is done. */
	:: !_same && store[n].length > db.length && store[n].epoch == db.epoch -> skip
	/* Another history: from a snapshot, of whatever age. */
	:: !_same && (store[n].length <= db.length || store[n].epoch < db.epoch) ->
		if
		:: copy(db, 0, store[n])
		:: copy(db, db.length, store[n])
		fi
		store[n].epoch = db.epoch;
		there = (store[n].length == db.length)
	fi
}

/* Not in the database as it is, nor as it was before the fail-over: then it never was. */
inline was_once(n) {
	atomic {
		begins(store[n], db, _same);
		begins(store[n], before, _also);
		assert(_same || _also)
	}
}

inline once() {
	atomic {
		for (_i : 0 .. MOST - 1) {
			for (_j : 0 .. MOST - 1) {
				assert(_i == _j || _i >= db.length || _j >= db.length || db.change[_i] != db.change[_j])
			}
		}
	}
}

/* What ends with a process, or its connection. */
inline let_go(n, me) {
	busy[n] = false;
	if
	:: holder == 1 + me -> holder = 0
	:: else
	fi
}

/* A command, on a node: carry.c.  A crash is the process's end at that moment: the database rolls back what it
 * had not committed, and so does the store. */
proctype command(byte n; byte me) {
	byte _i, _j, tries = 0;
	bool _same, _also, there = false, is_in = false;
	byte place;

	/* Hold the head, and catch up. */
	atomic { holder == 0 -> holder = 1 + me };
	do
	:: !there && tries < MOST -> atomic { !busy[n] -> look(n, there); tries++ }
	:: !there && tries == MOST ->
		atomic { let_go(n, me); said[me] = NOTHING; goto over }
	:: there -> break
	:: crashes < CRASHES -> atomic { crashes++; let_go(n, me); goto over }
	od;
	was_once(n);
	/* The work is done in the store's open transaction: nobody sees it, and nobody else changes the store. */
	atomic {
		!busy[n] -> busy[n] = true;
		begins(store[n], db, _same);
		if
		:: _same && store[n].length == db.length
		:: else -> let_go(n, me); said[me] = NOTHING; goto over
		fi
	};
	if
	:: crashes < CRASHES -> atomic { crashes++; let_go(n, me); goto over }
	:: true
	fi;
	/* The database commits; a fail-over in between takes the session along, and the head was never moved. */
	atomic {
		begins(store[n], db, _same);
		if
		:: _same && store[n].length == db.length && holder == 1 + me ->
			place = db.length;
			db.change[db.length] = 1 + me;
			db.length++;
			is_in = true
		:: else -> let_go(n, me); said[me] = NOTHING; goto over
		fi;
		holder = 0
	};
	once();
	if
	/* Its answer is lost: the command asks, and gets one or not. */
	:: crashes < CRASHES -> atomic { crashes++;
		if
		:: is_in = (place < db.length && db.change[place] == 1 + me);
			if
			:: is_in
			:: else -> let_go(n, me); said[me] = NOTHING; goto over
			fi
		:: let_go(n, me); said[me] = UNKNOWN; goto over
		fi }
	/* Killed here: the node is one change behind. */
	:: crashes < CRASHES -> atomic { crashes++; let_go(n, me); goto over }
	:: true
	fi;
	/* The store commits. */
	atomic {
		store[n].change[place] = 1 + me;
		store[n].length = place + 1;
		let_go(n, me);
		said[me] = DONE
	};
	was_once(n);
over:
	atomic { running-- }
}

/* `snicert follow`.  Killed between two looks it has lost nothing. */
proctype follower(byte n) {
	byte _i;
	bool _same, _also, there;

	do
	:: atomic { running > 0 && !busy[n] -> look(n, there) }; was_once(n)
	:: running == 0 -> break
	od
}

/* A standby takes over that lacks the last changes; somebody may write before anybody says so. */
proctype disaster() {
	byte _i, keeps;
	bool _same;

	atomic {
		db.length > 0 && !failed_over;
		copy(db, db.length, before);
		select (keeps : 0 .. 3);
		if
		:: keeps < db.length -> skip
		:: else -> keeps = db.length - 1
		fi;
		copy(db, keeps, db);
		holder = 0;     /* its sessions are gone */
		failed_over = true
	};
	atomic {
		holder == 0 ->
		db.change[db.length] = PROMOTION;
		db.length++;
		db.epoch++;
		promoted = true
	}
}

init {
	byte _i, _j, n, k;
	bool _same, there, in_db;

	atomic {
		db.epoch = 1;
		for (n : 0 .. NODES - 1) { store[n].epoch = 1 }
		running = COMMANDS;
		for (k : 0 .. COMMANDS - 1) {
			said[k] = UNSAID;
			run command(k % NODES, k)
		}
		for (n : 0 .. NODES - 1) { run follower(n) }
#ifdef FAIL_OVER
		run disaster()
#endif
	};
	running == 0;
#ifdef FAIL_OVER
	(promoted || (!failed_over && db.length == 0));
#endif
	/* Everybody follows to the end. */
	for (n : 0 .. NODES - 1) {
		there = false;
		do
		:: !there -> atomic { look(n, there) }
		:: there -> break
		od
	}
	atomic {
		for (n : 0 .. NODES - 1) {
			begins(store[n], db, _same);
			assert(_same && store[n].length == db.length)
		}
		for (k : 0 .. COMMANDS - 1) {
			in_db = false;
			for (_i : 0 .. MOST - 1) {
				if
				:: _i < db.length && db.change[_i] == 1 + k -> in_db = true
				:: else
				fi
			}
			assert(said[k] != DONE || in_db || failed_over);
			assert(said[k] != NOTHING || !in_db)
		}
	}
}
