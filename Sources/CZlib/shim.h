/* zlib, for replies of servers that compress theirs. Swift does not see inflateInit2, which is a macro. */
#ifndef BELLHOP_CZLIB_SHIM_H
#define BELLHOP_CZLIB_SHIM_H

#include <zlib.h>

/* Reads zlib's and gzip's own headers. */
static inline int czlib_inflate_init(z_stream *stream) {
    return inflateInit2(stream, 15 + 32);
}

#endif
