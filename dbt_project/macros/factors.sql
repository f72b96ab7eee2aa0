{# Every factor that gets an exposure, by the table that computes it. #}
{% macro factors_by_table() %}
    {{ return({
        'fct_momentum': ['momentum_252d_21d', 'momentum_126d_21d', 'reversal_21d'],
        'fct_volatility': ['volatility_21d', 'volatility_63d', 'volatility_252d'],
        'fct_market_risk': ['beta_252d', 'idiosyncratic_volatility_252d'],
        'fct_price_extremes': ['distance_to_high_252d'],
        'fct_liquidity': ['amihud_21d', 'turnover_21d', 'dollar_volume_21d'],
        'fct_size': ['log_market_cap'],
        'fct_value': [
            'earnings_to_price', 'book_to_price', 'sales_to_price', 'free_cash_flow_to_price', 'dividend_yield',
        ],
        'fct_quality': ['return_on_equity', 'gross_profitability', 'profit_margin', 'accruals', 'debt_to_equity'],
        'fct_growth': ['revenue_growth_1y', 'earnings_growth_1y', 'revenue_growth_5y'],
    }) }}
{% endmacro %}

{% macro factor_names() %}
    {{ return(factors_by_table().values() | sum(start=[])) }}
{% endmacro %}
