//! 512-bit vectors.

use std::arch::x86_64::*;

use super::vector::vector;

vector! {
    Avx512(__m512), 16 floats, 6 rows,
    load _mm512_loadu_ps, store _mm512_storeu_ps, splat _mm512_set1_ps,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps,
    div _mm512_div_ps, sqrt _mm512_sqrt_ps,
    fma _mm512_fmadd_ps, min _mm512_min_ps, max _mm512_max_ps,
    flush |value, limit| {
        let size = _mm512_abs_ps(value);
        let keep = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(size, limit);
        _mm512_maskz_mov_ps(keep, value)
    }
}
