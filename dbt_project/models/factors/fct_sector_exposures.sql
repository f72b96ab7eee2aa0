{{ exposures(ref('fct_factor_values'), group_columns=['as_of_date', 'sector'], infix='_sector') }}
