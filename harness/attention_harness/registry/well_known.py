"""Parameters of well-known libraries, which are taken without a declaration."""

WELL_KNOWN = {
    "mask": ("attn_mask",),
    "bias": ("attn_bias",),
    "is_causal": ("causal",),
    "scale": ("sm_scale", "softmax_scale", "scaling"),
    "window": ("window_size", "local_window_size"),
    "softcap": ("logits_soft_cap", "soft_cap"),
    "sinks": ("s_aux",),
    "return_lse": ("return_softmax_lse",),
    "q_scale": ("q_descale", "descale_q"),
    "k_scale": ("k_descale", "descale_k"),
    "v_scale": ("v_descale", "descale_v"),
    "query_heads": ("heads", "num_heads", "n_heads", "nheads", "n_head", "num_q_heads", "n_q_heads", "num_attention_heads"),
    "key_heads": ("kv_heads", "num_kv_heads", "n_kv_heads", "num_key_value_heads", "num_query_groups"),
}
"""Option -> parameters of well-known libraries that mean it."""

WITHOUT_MEANING = ("dropout", "dropout_p", "training", "deterministic", "alibi_slopes", "return_attn_probs")
"""Parameters of well-known libraries that are no options; at their defaults they change nothing."""

SWITCHES = ("enable_gqa",)
"""Parameters of well-known libraries that refuse a problem of the contract where they are false."""
