/* conn.h: one client's connection: collects a request as it arrives, has it
 * answered, sends the answer as the client takes it. Never waits. */
#ifndef HF_CONN_H
#define HF_CONN_H

#include <stdatomic.h>

#include "channel.h"
#include "hsm.h"
#include "turn.h"

/* struct lane is a serving thread's own buffers. A connection borrows them while the
 * thread works on it, and keeps them only with half a request or half an answer in
 * them: thousands of idle connections have no buffers at all. */
struct lane {
	struct buf in, out;
	struct turn turn;
	unsigned looks; /* at the round */
	unsigned seat; /* the processor that the thread keeps to, counted from 1; 0: to none */
};

struct conn {
	struct conn *prev, *next; /* the server's */
	struct conn *next_slow;   /* the server's */
	struct conn *next_round;  /* the round's */
	uint64_t idle_from;       /* the round's: ns */
	unsigned passed_over;     /* the round's: times since then */
	bool asks;                /* the round's: since then it has been seen to ask, */
	unsigned asks_from;       /* from this processor's seat */
	struct aside *aside;      /* aside.h's, with what follows; NULL: no call is put aside */
	struct conn *next_aside;
	_Atomic unsigned aside_halves;
	struct hsm_later later;
	int fd;
	bool awaited;             /* the server's: in its epoll set */
	struct hsm_conn *hsm;     /* NULL: refused, every request is answered `refused` */
	enum hf_err refused;
	size_t max_message;       /* bytes of a request's fields */
	struct channel *_Atomic channel; /* memory shared with the client, or NULL */
	bool by_channel;          /* the request in hand came through it */
	struct slice bulk;        /* the data of the last request in `in`, still there; or none */
	struct slice in_place;    /* the answer, where it was written in that memory */
	bool called;              /* by the socket: what rang is to be read */
	enum hf_err failed;       /* of a quiet request: the next one's answer */
	int give_fd;              /* goes out with the answer; -1: none */
	uint64_t served;          /* requests */
	struct buf in, out;
	size_t used;              /* bytes of in that are answered */
	size_t sent;              /* bytes of out */
	bool drain;               /* answered for the last time: reads to the end */
	_Atomic uint64_t since_ns; /* it began to keep us waiting; 0: it does not */
};

/* What a connection needs next. */
enum conn_next {
	CONN_READ,  /* more from the client */
	CONN_WRITE, /* that the client takes something */
	CONN_AGAIN, /* nothing, but others are due */
	CONN_TURN,  /* to be looked at in its turn */
	CONN_SLOW,  /* a thread for slow calls */
	CONN_ASIDE, /* nothing until its call is ready (later) */
	CONN_CLOSE,
};

/* conn_open for a non-blocking socket. hsm NULL: `refused` says why. */
void conn_open(struct conn *c, int fd, struct hsm_conn *hsm, enum hf_err refused,
	size_t max_message);

/* conn_asked: the shared memory holds a request. conn_watch: the thread that has the connection
 * looks there from now on; conn_unwatch: true, and still watched, if one has come meanwhile. */
bool conn_asked(const struct conn *c);
bool conn_asked_soon(const struct conn *c); /* looks for a microsecond or two */
void conn_watch(struct conn *c);
bool conn_unwatch(struct conn *c);

/* conn_rests: nothing of a request or an answer is on its way by the socket, and the next request
 * is expected in the shared memory. */
bool conn_rests(const struct conn *c);

/* conn_crowded, conn_seat, conn_nap: channel_crowded and so on, of the memory if there is any. */
void conn_crowded(struct conn *c, enum channel_crowd crowd);
unsigned conn_seat(const struct conn *c);
void conn_nap(struct conn *c, uint64_t ns);

/* conn_trim is channel_trim. */
bool conn_trim(struct conn *c, uint64_t now);

/* conn_advance does what can be done now. may_be_slow: on a thread for slow calls. */
enum conn_next conn_advance(struct conn *c, struct lane *l, bool may_be_slow);

/* conn_go_on goes on with the call that was put aside, and sends its answer. */
enum conn_next conn_go_on(struct conn *c, struct lane *l);

/* conn_done closes the socket and releases the rest. */
void conn_done(struct conn *c);

void lane_done(struct lane *l);

#endif
