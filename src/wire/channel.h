/* channel.h: memory that one connection of a client shares with the vault, for
 * requests and answers whose way over a socket would cost more than the work.
 *
 * The socket stays: who sleeps is woken through it, what does not fit goes over
 * it, and its end is the end of the channel. One request at a time:
 *
 *   client  state = WRITES, writes a request, state = ASKED; nobody watches: rings (WIRE_OP_RING)
 *   vault   copies it before it looks at it (but large data), answers, state = ANSWERED;
 *           the client naps: wakes it; it sleeps: rings
 *   client  spins for a while, naps for a while (a futex), then marks that it
 *           sleeps and reads the socket, whose end it then sees; state = FREE when it has
 *           taken the answer out
 *   vault   now and then: of what has been FREE for long the pages of long frames go back to the
 *           kernel; meanwhile state = HELD, and the client keeps to the socket
 *
 * Either side may write anything there at any time: nothing is read twice, and
 * no length is believed. Large data to be encrypted may stay there, and their ciphertext be written there,
 * where the cipher does not mind (family.encrypts_in_sight); what is ready of it the client takes out
 * while the vault goes on. */
#ifndef HF_CHANNEL_H
#define HF_CHANNEL_H

#include "wire.h"

#define CHANNEL_ROOM ((size_t)1088 << 10) /* bytes of a request's or an answer's fields */

/* CHANNEL_LAYOUT is raised with every change of struct shared and of what is done with it. Who asks for a
 * channel says it, in the head's session. */
#define CHANNEL_LAYOUT 3u

struct channel; /* one side's view */
void channel_close(struct channel *c); /* NULL-safe; unmaps */

/* --- the vault's side ------------------------------------------------------- */

/* channel_make: *ret_fd is for the client, who can map it and neither shrink nor
 * grow it; the caller closes it. */
enum hf_err channel_make(struct channel **ret, int *ret_fd) HF_MUST_CHECK;

bool channel_asked(const struct channel *c); /* a request is there */
bool channel_asked_soon(const struct channel *c); /* or comes within a microsecond or two */
/* channel_spoilt: what the client says is there can be none. */
bool channel_spoilt(const struct channel *c);
/* channel_take appends what the client left, frames or not, to in; false: there is nothing. If it is
 * long, only its beginning, and *ret_whole is all of it: in memory that the client may change at
 * any time, until the answer is given. channel_take_rest appends what is missing then; false: there is no
 * memory, or it did not come in time, and the request may be taken anew. */
bool channel_take(struct channel *c, struct buf *in, struct slice *ret_whole);
bool channel_take_rest(struct channel *c, struct slice whole, struct buf *in);
/* channel_there: all but the last `missing` bytes of that request stand there. false: they did
 * not come in time; for one request it waits for a fraction of a millisecond, whatever the client does. */
bool channel_there(struct channel *c, size_t missing);
/* channel_room is where an answer of n bytes may be written in place, for channel_give; n is at most
 * CHANNEL_ROOM. What is written there the client sees at once. */
uint8_t *channel_room(struct channel *c, size_t n);

/* channel_ready: the n bytes from p on, in what channel_room gave, stand in the answer as they are. The
 * client may take them out from now on. */
void channel_ready(struct channel *c, const uint8_t *p, size_t n);

enum channel_given {
	CHANNEL_SEEN,   /* the client will find it */
	CHANNEL_SLEEPS, /* it has to be rung */
	CHANNEL_FULL,   /* the answer does not fit: send it over the socket */
};
/* channel_give leaves the answer, head and fields, a long one piece by piece as channel_ready does. */
enum channel_given channel_give(struct channel *c, struct slice answer);

/* channel_watch: from here on the client need not ring. channel_unwatch: true, and still
 * watched, if a request has come meanwhile. */
void channel_watch(struct channel *c);
bool channel_unwatch(struct channel *c);

/* channel_crowded tells the client how to wait, since the kernel gives a spinning thread as
 * much time as a working one. channel_seat: the processor that the client last asked from,
 * counted from 1 (0: unknown), for the thread that takes turns with it there. */
enum channel_crowd {
	CROWD_NONE,  /* client and vault have a processor each */
	CROWD_TURNS, /* there are more threads than processors: who waits lets others run at once */
	CROWD_QUEUE, /* more clients than threads of the vault's: asleep until it is answered */
};
void channel_crowded(struct channel *c, enum channel_crowd crowd);
unsigned channel_seat(const struct channel *c);
/* channel_trim gives the pages of long frames back to the kernel, if none has passed for CHANNEL_RESTS_NS
 * and the client is not about to use them; false: nothing was to be done. For one thread, beside the
 * one that serves; now: CLOCK_MONOTONIC, ns. */
#define CHANNEL_RESTS_NS 10000000000u
bool channel_trim(struct channel *c, uint64_t now);
/* channel_nap sleeps until a request comes or ns nanoseconds are over; while it is watched. */
void channel_nap(struct channel *c, uint64_t ns);

/* --- the client's side -------------------------------------------------------- */

/* channel_open maps what channel_make made. HF_E_MALFORMED: another version did, which lays it out
 * otherwise. HF_E_CONNECTION: it is something else. */
enum hf_err channel_open(int fd, struct channel **ret) HF_MUST_CHECK;

/* channel_fits: q, and what is ahead of it, have room there. */
bool channel_fits(const struct request *q);
/* channel_claim comes before channel_ask; false: the vault holds the memory for a moment. channel_done: what
 * was answered is not needed any more. */
bool channel_claim(struct channel *c);
void channel_done(struct channel *c);
/* channel_ask leaves a request that fits; true: the vault has to be rung. */
bool channel_ask(struct channel *c, const struct request *q);
/* channel_pour leaves what channel_ask has left out, of a long request that pours. */
void channel_pour(struct channel *c, const struct request *q);

enum channel_got {
	CHANNEL_ANSWERED,
	CHANNEL_ELSEWHERE, /* the answer comes over the socket */
	CHANNEL_NOT_YET,   /* the vault will ring, or answer over the socket */
};
/* channel_wait spins for a while, and takes out meanwhile what the request's `early` has room for. */
enum channel_got channel_wait(struct channel *c);
/* channel_read: the answer, whose fields stay in the shared memory until the next request. */
enum hf_err channel_read(struct channel *c, struct answer *ret) HF_MUST_CHECK;

#endif
