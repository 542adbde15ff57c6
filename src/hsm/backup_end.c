/* backup_end.c: how a backup or restore is given up; apart, because any session's end needs it. */
#include "backup.h"

void backup_chain_done(struct backup_chain *c)
{
	secret_done(&c->objects_key);
	secret_done(&c->index_key);
	secret_done(&c->end_key);
}

void backup_index_done(struct backup_index *x)
{
	hf_free(x->v);
	hf_free(x->done);
	*x = (struct backup_index){ 0 };
}

void backup_free(struct backup *b)
{
	if (b == NULL)
		return;
	for (size_t i = b->at; i < b->n; i++)
		object_unref(b->v[i]);
	hf_free(b->v);
	if (b->whole != NULL)
		(*(void (**)(struct whole *))b->whole)(b->whole);
	backup_chain_done(&b->chain);
	backup_chain_done(&b->base_chain);
	backup_index_done(&b->base);
	backup_index_done(&b->live);
	arena_done(&b->kept);
	hf_free(b);
}

void backup_drop(struct session *s)
{
	backup_free(s->backup);
	s->backup = NULL;
}
