"""Names in Latin letters become Chinese characters that sound like them."""
