/* The boundary of libsdxl_parquet.so, which sdxl opens on the first Parquet file: plain C, so that
 * the library may be built with its own compiler and standard library. No exception crosses it. */
#ifndef SDXL_PARQUET_H_
#define SDXL_PARQUET_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_PARQUET_ABI 1

typedef struct sdxl_parquet_file sdxl_parquet_file;

/* What a column holds, and what a piece of a value is. */
enum sdxl_parquet_kind {
  SDXL_PARQUET_OTHER = 0,
  SDXL_PARQUET_TEXT = 1,    /* string */
  SDXL_PARQUET_BYTES = 2,   /* binary */
  SDXL_PARQUET_PICTURE = 3, /* struct with bytes, path or both */
  SDXL_PARQUET_TEXTS = 4,   /* list of string */
  SDXL_PARQUET_PATH = 5     /* only of a piece: the path in a picture */
};

/* Takes `size` bytes that are valid during the call. */
typedef void (*sdxl_parquet_sink)(void* context, int kind, const void* data, uint64_t size);

typedef struct sdxl_parquet_library {
  /* Every function that can fail returns 0 on success; else it gives the sink a message (kind
   * OTHER) and returns 1. Calls on one file may come from several threads. */
  int (*open)(const char* path, sdxl_parquet_file** file, sdxl_parquet_sink sink, void* context);
  void (*close)(sdxl_parquet_file* file);
  int64_t (*rows)(const sdxl_parquet_file* file);
  /* Each top-level column's kind and name. */
  void (*columns)(const sdxl_parquet_file* file, sdxl_parquet_sink sink, void* context);
  /* The pieces of a value: one TEXT or BYTES, any number of TEXT for a list, BYTES and PATH of a
   * picture. A null gives none. */
  int (*read)(sdxl_parquet_file* file, const char* column, int64_t row, sdxl_parquet_sink sink,
              void* context);
} sdxl_parquet_library;

/* Null unless `abi` is SDXL_PARQUET_ABI of the library's build. Exported as "sdxl_parquet". */
typedef const sdxl_parquet_library* (*sdxl_parquet_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_PARQUET_H_ */
